"""Bounds of the calls that one caller, or all together, may have waiting."""

import asyncio

import pytest

from api import open_files

BODY = {"prompt": "a red fox", "sizes": [64]}
KEYS = ("alice", "bob")


def of(key):
    return {"Authorization": f"Bearer {key}"}


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("settings", "status", "code"),
    [({"max_held_calls_per_key": 2}, 429, "too_many_waits"), ({"max_held_calls": 2}, 503, "overloaded")],
)
async def test_more_held_calls_than_there_may_be_are_refused_at_once(serve, succeed, settings, status, code):
    async with serve(api_keys=KEYS, **settings) as http:
        services = http._transport.app.state.services
        url = (await http.post("/api/jobs", json=BODY, headers=of("alice"))).headers["Location"]
        wait = {"params": {"wait": 60}, "headers": of("alice")}
        held = [asyncio.create_task(http.get(url, **wait)) for _ in range(2)]
        await until(lambda: services.waiting.count == 2)
        jobs = len((await http.get("/api/jobs", headers=of("alice"))).json()["jobs"])
        for refused in (
            await http.get(url, **wait),
            await http.get(f"{url}/events", headers=of("alice")),
            await http.post("/api/generate_logo", json=BODY, headers=of("alice")),
        ):
            assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
            assert int(refused.headers["Retry-After"]) > 0
        openai = await http.post("/v1/images/generations", json={"prompt": "a red fox"}, headers=of("alice"))
        # No job was made, so that the client may repeat the call.
        assert (openai.status_code, openai.headers.get("X-Should-Retry")) == (status, None)
        assert len((await http.get("/api/jobs", headers=of("alice"))).json()["jobs"]) == jobs
        # A preference is not met, and its job accepted; a poll is answered.
        preferred = await http.post("/api/jobs", json=BODY, headers=of("alice") | {"Prefer": "wait=60"})
        assert (preferred.status_code, preferred.headers.get("Preference-Applied")) == (202, None)
        assert (await http.get(url, headers=of("alice"))).status_code == 200
        other = await http.post("/api/jobs", json=BODY, headers=of("bob") | {"Prefer": "wait=1"})
        assert (other.headers.get("Preference-Applied") is None) == ("max_held_calls" in settings)
        await asyncio.to_thread(succeed, url.rpartition("/")[2])
        assert [(await call).json()["status"] for call in held] == ["succeeded"] * 2
        assert services.holding.total == 0


@pytest.mark.parametrize(("limit", "held"), [(100_000, 5000), (1024, 512), (64, 1)])
def test_fewer_calls_are_held_than_there_may_be_open_files(monkeypatch, limit, held):
    monkeypatch.setattr(open_files.resource, "getrlimit", lambda _: (limit, limit))
    assert open_files.most_held_calls(5000) == held
