"""Below a path of another host, behind a proxy that takes the path off or leaves it."""

import contextlib

import httpx
import pytest

ROOT = "/logo"
BODY = {"prompt": "a red fox", "sizes": [64]}


@pytest.fixture(params=["taken off", "left"])
def serve_below(request, serve):
    """The API as clients see it: only what is below ROOT reaches it."""

    @contextlib.asynccontextmanager
    async def _serve(**settings):
        async with serve(root_path=ROOT, **settings) as direct:
            app = direct._transport.app

            async def proxy(scope, receive, send):
                assert scope["path"].startswith(f"{ROOT}/"), scope["path"]
                if request.param == "taken off":
                    scope = {**scope, "path": scope["path"].removeprefix(ROOT)}
                await app(scope, receive, send)

            async with httpx.AsyncClient(transport=httpx.ASGITransport(proxy), base_url="http://t") as http:
                yield http

    return _serve


async def test_every_url_of_a_job_has_the_path(serve_below, succeed):
    async with serve_below(api_keys=("k",), url_signing_keys=("s" * 32,)) as http:
        key = {"X-API-Key": "k"}
        made = await http.post(f"{ROOT}/api/jobs", json=BODY, headers=key)
        job = made.json()
        assert made.headers["Location"] == job["urls"]["self"] == f"{ROOT}/api/jobs/{job['id']}"
        succeed(job["id"])
        done = (await http.get(made.headers["Location"], headers=key)).json()
        # Signed: no key.
        assert (await http.get(done["urls"]["images"]["64"])).content.startswith(b"\x89PNG")
        async with http.stream("GET", done["urls"]["events"], headers=key) as stream:
            assert done["urls"]["images"]["64"] in (await stream.aread()).decode()
        (listed,) = (await http.get(f"{ROOT}/api/jobs", headers=key)).json()["jobs"]
        assert listed["urls"] == done["urls"]
        assert (await http.delete(done["urls"]["cancel"], headers=key)).status_code == 200


async def test_openais_url_and_a_held_calls_error(serve_below, succeed, ledger):
    async with serve_below(request_timeout=1) as http:
        late = (await http.post(f"{ROOT}/api/generate_logo", json=BODY)).json()["error"]["details"]
        assert late["url"] == f"{ROOT}/api/jobs/{late['job_id']}"
        ask = {"prompt": "a red fox", "size": "64x64", "response_format": "url"}
        key = {"Idempotency-Key": "k"}
        assert (await http.post(f"{ROOT}/v1/images/generations", json=ask, headers=key)).status_code == 504
        (job, _) = (await http.get(f"{ROOT}/api/jobs")).json()["jobs"]
        succeed(job["id"])
        again = await http.post(f"{ROOT}/v1/images/generations", json=ask, headers=key)
        url = again.json()["data"][0]["url"]
        assert url.startswith(f"http://t{ROOT}/api/jobs/")
        assert (await http.get(url)).content.startswith(b"\x89PNG")


async def test_the_pages(serve_below):
    async with serve_below() as http:
        assert (await http.get(f"{ROOT}/")).json()["docs"] == f"{ROOT}/docs"
        assert f"'{ROOT}/openapi.json'" in (await http.get(f"{ROOT}/docs")).text.replace('"', "'")
        assert (await http.get(f"{ROOT}/openapi.json")).json()["servers"] == [{"url": ROOT}]
        page = (await http.get(f"{ROOT}/", headers={"Accept": "text/html"})).text
        assert not [part for part in ('"/', "`/", "'/") if part in page]
        missing = await http.post(f"{ROOT}/v1/audio/speech")
        assert missing.json()["error"]["message"].startswith("POST /v1/audio/speech is not supported")
