"""The quick routes answer as FastAPI's own of the same paths, and leave to those what they do not know."""

import inspect

import pytest

from api import quick_routes
from api.auth import _bearer, _caller, _header, _owner
from api.deps import _job_id, _services
from api.rate_limit import limit_submits
from api.routes import jobs

BODY = {"prompt": "a red fox", "sizes": [64], "seed": 7}
# What varies from one answer to the next.
OWN = ("x-request-id", "date")


@pytest.fixture
def slow(monkeypatch):
    """Leaves all to FastAPI's routes."""

    def _slow(patch):
        for route in (quick_routes.QuickGet, quick_routes.QuickSubmit):
            patch.setattr(route, "takes", lambda *_: False)

    return _slow


def seen(response):
    headers = {name: value for name, value in response.headers.items() if name not in OWN}
    body = response.json()
    body.pop("request_id", None)
    return response.status_code, headers, body


@pytest.mark.parametrize(
    "query",
    [
        *("", "?wait=0", "?wait=0.05", "?include=none", "?include=files&wait=0"),
        *(
            "?wait=61",
            "?wait=-1",
            "?wait=x",
            "?include=some",
            "?wait=1&wait=0",
            "?other=1",
            "?wait=1e0",
            "?wait=%30",
            "?",
        ),
    ],
)
@pytest.mark.parametrize("ended", [False, True])
async def test_a_poll_is_answered_alike(serve, succeed, slow, monkeypatch, query, ended):
    async with serve() as http:
        job_id = (await http.post("/api/jobs", json=BODY)).json()["id"]
        if ended:
            succeed(job_id)
        for path in (f"/api/jobs/{job_id}", f"/api/jobs/{job_id.upper()}", f"/api/jobs/{job_id[:-1]}0"):
            quick = seen(await http.get(path + query))
            with monkeypatch.context() as patch:
                slow(patch)
                assert seen(await http.get(path + query)) == quick, path


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b'{"prompt": "a red fox", "seed": 7}', {}),
        (b'{"prompt": "a red fox", "sizes": ["64", 128.0], "seed": 7}', {}),
        (b'{"prompt": "a red fox", "seed": 7}', {"Idempotency-Key": "a"}),
        (b'{"prompt": "a red fox", "seed": 7}', {"Idempotency-Key": "with a space"}),
        (b'{"prompt": "a red fox", "seed": 7}', {"Idempotency-Key": ""}),
        (b'{"prompt": "a red fox", "seed": 7}', {"Prefer": "wait=0"}),
        (b'{"prompt": "a red fox", "seed": 7}', {"Content-Type": "application/json; charset=utf-16"}),
        (b'{"prompt": "a red fox", "seed": 7}', {"Content-Type": "text/plain"}),
        (b'{"prompt": "a red fox", "sizes": [true]}', {}),
        (b'{"prompt": "a red fox", "unknown": 1}', {}),
        (b'["a red fox"]', {}),
        (b'{"prompt": ', {}),
        (b'{"prompt": "\\ud800 fox", "seed": 7}', {}),
        (b'{"prompt": "\xff fox", "seed": 7}', {}),
        (b"[" * 10_000, {}),
        (b"", {}),
    ],
    ids=range(16),
)
async def test_a_submit_is_answered_alike(serve, slow, monkeypatch, content, headers):
    async def submitted(http):
        answer = await http.post("/api/jobs", content=content, headers={"Content-Type": "application/json"} | headers)
        status, sent, body = seen(answer)
        if status in (200, 202):
            sent.pop("location")
            sent.pop("content-length")
            body = {name: body[name] for name in ("status", "prompt", "sizes", "seed", "images")}
        return status, sent, body

    async with serve() as http:
        quick = await submitted(http)
        await http._transport.app.state.services.client.flushall()
        with monkeypatch.context() as patch:
            slow(patch)
            assert await submitted(http) == quick


async def test_keys_and_rates_hold(serve):
    async with serve(api_keys=("secret-of-sixteen-letters",), rate_limit="1/hour") as http:
        key = {"Authorization": "Bearer secret-of-sixteen-letters"}
        assert (await http.post("/api/jobs", json=BODY)).status_code == 401
        job = (await http.post("/api/jobs", json=BODY, headers=key)).json()
        assert (await http.post("/api/jobs", json=BODY, headers=key)).status_code == 429
        assert (await http.get(f"/api/jobs/{job['id']}")).status_code == 401
        assert (await http.get(f"/api/jobs/{job['id']}", headers=key)).status_code == 200


async def test_they_know_each_parameter_and_dependency_of_fastapis_routes(serve):
    """One that is added to a route must be added to the quick one, or it would have no effect."""
    async with serve() as http:
        app = http._transport.app
    for name in ("get", "submit"):
        (route,) = [route for route in jobs.router.routes if route.endpoint is getattr(jobs, name)]
        pending, calls = list(route.dependant.dependencies), set()
        while pending:
            dependant = pending.pop()
            calls.add(dependant.call)
            pending += dependant.dependencies
        assert calls <= {_services, _job_id, _owner, _caller, _bearer, _header}
    included = [route.include_context for route in app.router.routes if hasattr(route, "include_context")]
    assert {dependency.dependency for context in included for dependency in context.dependencies} == {limit_submits}
    assert list(inspect.signature(jobs.get).parameters) == [
        *("job_id", "response", "services", "owner", "caller", "wait", "include")
    ]
    assert list(inspect.signature(jobs.submit).parameters) == [
        *("request", "response", "services", "owner", "caller", "idempotency_key", "prefer")
    ]
