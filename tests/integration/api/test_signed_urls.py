"""Signed image URLs, which need no API key: what they open, until when, and how keys are rotated."""

import re
import time

import pytest

from shared.results.signing import UrlSigner

BODY = {"prompt": "a red fox", "sizes": [64, 128]}
MINE = {"X-API-Key": "mine"}
OLD, NEW = "o" * 32, "n" * 32


@pytest.fixture
async def drawn(serve, succeed):
    """A client without a key, and a succeeded job of the key "mine"."""
    async with serve(api_keys=("mine",), url_signing_keys=(OLD,)) as http:
        job = (await http.post("/api/jobs", json=BODY, headers=MINE)).json()
        assert job["urls"]["images"] == {}
        succeed(job["id"])
        yield http, (await http.get(f"/api/jobs/{job['id']}", headers=MINE)).json()


async def test_a_signed_url_needs_no_key(drawn):
    http, job = drawn
    for url in job["urls"]["images"].values():
        answer = await http.get(url)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/png")
        assert (await http.get(url, headers={"Range": "bytes=0-7"})).content == b"\x89PNG\r\n\x1a\n"
        assert (await http.get(url.partition("?")[0])).status_code == 401
        assert (await http.get(url.partition("?")[0], headers=MINE)).status_code == 200


async def test_each_variation_has_urls_of_its_own(serve, succeed):
    async with serve(api_keys=("mine",), url_signing_keys=(OLD,)) as http:
        job = (await http.post("/api/jobs", json=BODY | {"num_images": 3}, headers=MINE)).json()
        assert job["variations"] == []
        succeed(job["id"])
        done = (await http.get(f"/api/jobs/{job['id']}", headers=MINE)).json()
        assert [set(variation["urls"]) for variation in done["variations"]] == [{"64", "128"}] * 3
        assert done["variations"][0]["urls"] == done["urls"]["images"]
        urls = [url for variation in done["variations"] for url in variation["urls"].values()]
        assert len({url.partition("?")[0] for url in urls}) == 6
        for url in urls:
            assert (await http.get(url)).content.startswith(b"\x89PNG")
            assert (await http.get(url.partition("?")[0])).status_code == 401
        first, second = (done["variations"][index]["urls"]["64"] for index in (0, 1))
        # The signature of one image does not open another.
        forged = f"{second.partition('?')[0]}?{first.partition('?')[2]}"
        assert (await http.get(forged)).status_code == 403


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("/64.png", "/128.png"),
        lambda url: re.sub(r"expires=(\d+)", lambda found: f"expires={int(found[1]) + 1}", url),
        lambda url: url[:-1] + ("A" if url[-1] != "A" else "B"),
        lambda url: url.partition("&")[0] + "&signature=",
        lambda url: url.replace("signature=", "signature=%C3%A9"),
        lambda url: url.replace(url.split("/")[3], "00000000-0000-4000-8000-000000000000"),
    ],
)
async def test_a_changed_url_opens_nothing(drawn, change):
    http, job = drawn
    answer = await http.get(change(job["urls"]["images"]["64"]))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "url_not_valid")


async def test_a_signed_url_expires(drawn, monkeypatch):
    http, job = drawn
    monkeypatch.setattr(time, "time", lambda: 4102444800.0)
    answer = await http.get(job["urls"]["images"]["64"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "url_not_valid")


async def test_keys_are_rotated(drawn, serve):
    _, job = drawn
    url = job["urls"]["images"]["64"]
    for keys, status in (((NEW, OLD), 200), ((NEW,), 403)):
        async with serve(api_keys=("mine",), url_signing_keys=keys) as http:
            assert (await http.get(url)).status_code == status
            fresh = (await http.get(f"/api/jobs/{job['id']}", headers=MINE)).json()["urls"]["images"]["64"]
            assert fresh != url
            assert (await http.get(fresh)).status_code == 200


async def test_without_signing_keys_a_signature_opens_nothing(serve):
    async with serve(api_keys=("mine",)) as http:
        path = "/api/jobs/00000000-0000-4000-8000-000000000000/images/64.png"
        assert (await http.get(f"{path}?expires=4102444800&signature=x")).status_code == 403
    assert UrlSigner(()).sign(path, 1) == path
