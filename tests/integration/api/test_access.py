"""Who may make which call, for every call and every kind of caller; and how often."""

import pytest
import structlog
from redis.exceptions import ConnectionError as RedisConnectionError

from api.auth import digest
from shared import workers
from shared.workers import WorkerInfo

BODY = {"prompt": "a red fox", "sizes": [64]}
OPENAI = {"/v1/images/generations", "/v1/images/edits", "/v1/images/variations", "/v1/models", "/v1/models/{model}"}
PUBLIC = {"/", "/health", "/health/live", "/health/ready", "/metrics", "/api/styles", "/api/styles/{name}/picture"}


def calls(app):
    """(method, path) of every call of the API that is not public, as the application itself lists them."""
    paths = app.openapi()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods if path not in PUBLIC]


@pytest.fixture
def keys(tmp_path):
    file = tmp_path / "keys"
    file.write_text("owner\nother\n")
    return file


async def test_the_matrix(serve, succeed, keys):
    async with serve(api_keys_file=keys, request_timeout=1) as http:
        job = (await http.post("/api/jobs", json=BODY, headers={"X-API-Key": "owner"})).json()
        succeed(job["id"])

        async def statuses(**headers):
            found = {}
            for method, path in calls(http._transport.app):
                names = {"owner_name": "o", "model_name": "m", "version": "v"}
                filled = path.format(job_id=job["id"], name="64.png", model="dall-e-3", **names)
                body = BODY if method == "POST" else None
                answer = await http.request(method, filled, json=body, headers=headers)
                said = answer.json()
                found[method, path] = (answer.status_code, said.get("title") or (said.get("error") or {}).get("code"))
            return found

        everything = await statuses()
        assert len(everything) >= 7
        assert ("GET", "/api/jobs/{job_id}/images/{name}") in everything
        unauthorized = {call: (401, "invalid_api_key" if call[1] in OPENAI else "unauthorized") for call in everything}
        assert everything == unauthorized
        assert await statuses(**{"X-API-Key": "wrong"}) == unauthorized
        assert await statuses(Authorization="Bearer wrong") == unauthorized
        assert await statuses(Authorization="Basic b3duZXI6") == unauthorized
        for headers in ({"X-API-Key": "other"}, {"Authorization": "Bearer other"}):
            others = await statuses(**headers)
            one_job = {call: end for call, end in others.items() if "{job_id}" in call[1]}
            assert one_job == dict.fromkeys(one_job, (404, "job_not_found"))
        assert (await http.get("/api/jobs", headers={"X-API-Key": "other"})).json()["jobs"][0]["id"] != job["id"]
        assert (await http.get(f"/api/jobs/{job['id']}", headers={"X-API-Key": "owner"})).status_code == 200
        keys.write_text("other\n")
        assert await statuses(**{"X-API-Key": "owner"}) == unauthorized
        for path in ("/", "/health", "/health/live"):
            assert (await http.get(path)).status_code == 200


async def test_submits_of_one_key_are_limited_and_reads_are_not(serve):
    async with serve(api_keys=("one", "two"), rate_limit="3/minute") as http:

        async def submit(key, **body):
            return await http.post("/api/jobs", json=BODY | body, headers={"X-API-Key": key})

        assert [(await submit("one")).status_code for _ in range(3)] == [202] * 3
        # A call that is refused for its content counts too, because calls are limited.
        limited = await submit("one", prompt="x")
        assert (limited.status_code, limited.json()["error"]["code"]) == (429, "too_many_requests")
        assert 1 <= int(limited.headers["Retry-After"]) <= 60
        assert (await submit("two")).status_code == 202
        assert (await http.get("/api/jobs", headers={"X-API-Key": "one"})).status_code == 200


async def test_without_keys_an_address_is_limited_in_all_processes(serve):
    async with serve(rate_limit="2/minute") as http, serve(rate_limit="2/minute") as other:
        assert (await http.post("/api/jobs", json=BODY)).status_code == 202
        assert (await other.post("/api/jobs", json=BODY)).status_code == 202
        assert (await http.post("/api/jobs", json=BODY)).status_code == 429
        assert (await other.post("/api/generate_logo", json=BODY)).status_code == 429


async def test_a_limiter_without_its_store_is_a_503(serve, monkeypatch):
    async with serve(rate_limit="2/minute") as http:

        async def away(*_):
            raise RedisConnectionError

        monkeypatch.setattr(http._transport.app.state.rate_limit._limiter, "hit", away)
        refused = await http.post("/api/jobs", json=BODY)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({"host": "0.0.0.0"}, True),
        ({"host": "0.0.0.0", "api_keys": ("a",)}, False),
        ({"host": "127.0.0.1"}, False),
        ({"host": "::1"}, False),
        ({"host": "example.org"}, True),
    ],
)
async def test_an_open_door_is_said_at_every_log_level(serve, settings, warned):
    with structlog.testing.capture_logs() as logs:
        async with serve(**settings):
            pass
    assert [entry["log_level"] for entry in logs if entry["event"] == "api.open"] == ["critical"] * warned


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
async def test_a_key_of_other_letters_opens_as_its_client_sends_it(serve, keys, encoding):
    keys.write_text("ein-schlüssel-für-die-app\n", encoding="utf-8")
    sent = "ein-schlüssel-für-die-app".encode(encoding)
    async with serve(api_keys_file=keys) as http:
        job = await http.post("/api/jobs", json=BODY, headers={"X-API-Key": sent})
        assert job.status_code == 202
        url = f"/api/jobs/{job.json()['id']}"
        assert (await http.get(url, headers={"Authorization": b"Bearer " + sent})).status_code == 200
        refused = await http.get(f"{url}/images/64.png", headers={"X-API-Key": sent})
        assert refused.json()["error"]["code"] == "job_not_successful"  # it is this key's job
        assert (await http.get(url, headers={"X-API-Key": sent[:-1]})).status_code == 401


async def test_a_byte_order_mark_is_no_part_of_the_first_key(serve, keys):
    keys.write_text("\ufeffthe-key-of-an-editor\r\nsecond\r\n", encoding="utf-8")
    async with serve(api_keys_file=keys) as http:
        for key in ("the-key-of-an-editor", "second"):
            assert (await http.get("/api/jobs", headers={"X-API-Key": key})).status_code == 200


async def test_byte_order_marks_of_files_that_were_joined_are_no_part_of_a_key(serve, keys):
    keys.write_text("\ufefffirst-of-one\n\ufefffirst-of-another\n", encoding="utf-8")
    async with serve(api_keys_file=keys) as http:
        for key in ("first-of-one", "first-of-another"):
            assert (await http.get("/api/jobs", headers={"X-API-Key": key})).status_code == 200


async def test_short_keys_are_said_at_every_log_level(serve, keys):
    keys.write_text("owner\n" + "k" * 16)
    with structlog.testing.capture_logs() as logs:
        async with serve(api_keys=("one", "k" * 16), api_keys_file=keys):
            pass
    assert [(e["log_level"], e["count"]) for e in logs if e["event"] == "keys.short"] == [("critical", 1)] * 2


async def test_the_request_log_names_the_caller_and_no_key(serve, keys):
    async with serve() as http, serve(api_keys_file=keys) as guarded:
        with structlog.testing.capture_logs() as logs:
            await http.get("/api/jobs", headers={"X-API-Key": "owner"})
            await guarded.get("/api/jobs", headers={"X-API-Key": "owner"})
            await guarded.get("/api/jobs", headers={"X-API-Key": "wrong"})
    callers = [entry["caller"] for entry in logs if entry["event"] == "request"]
    assert callers == ["127.0.0.1", digest("owner")[:8], "127.0.0.1"]


async def test_a_page_of_any_origin_learns_of_no_jobs(serve, keys, client):
    """Without keys all callers are one; a page that a browser loads from elsewhere must not be shown their jobs."""
    foreign = {"Origin": "https://elsewhere.example"}
    card = {"model": "m", "device_type": "cpu", "device_name": "cpu"}
    workers.publish(client, WorkerInfo("g1", ready=True, job_id="the-id", **card))
    allow = "access-control-allow-origin"
    async with serve() as http:
        for path in ("/api/jobs?limit=1", "/api/jobs/", "//api//jobs", "/api/jobs//"):
            listed = await http.get(f"http://t{path}", headers=foreign)
            assert (listed.status_code, allow in listed.headers) == (200, False), path
        health = await http.get("/health", headers=foreign)
        assert (health.headers[allow], health.json()["workers"][0]["job_id"]) == ("*", None)
        assert (await http.get("/health")).json()["workers"][0]["job_id"] == "the-id"
        made = await http.post("/api/jobs", json=BODY, headers=foreign)
        assert made.headers[allow] == "*"
        one = await http.get(f"/api/jobs/{made.json()['id']}", headers=foreign)
        assert one.headers[allow] == "*"
    async with serve(cors_origins=("https://elsewhere.example",)) as http:
        assert (await http.get("/api/jobs", headers=foreign)).headers[allow] == foreign["Origin"]
    async with serve(api_keys_file=keys) as http:
        assert (await http.get("/api/jobs", headers=foreign | {"X-API-Key": "owner"})).headers[allow] == "*"


async def test_keys_change_without_a_restart(serve, keys):
    keys.write_text("# the app\nold-key\n")
    async with serve(api_keys_file=keys) as http:

        async def statuses(*offered):
            return [(await http.get("/api/jobs", headers={"X-API-Key": key})).status_code for key in offered]

        def replace(text):
            (keys.parent / "next").write_text(text)
            (keys.parent / "next").replace(keys)

        assert await statuses("old-key", "new-key", "# the app") == [200, 401, 401]
        replace("old-key\nnew-key\n")
        assert await statuses("old-key", "new-key") == [200, 200]
        replace("new-key\n")
        assert await statuses("old-key", "new-key") == [401, 200]
        # An empty or missing file grants no access.
        replace("")
        assert await statuses("old-key", "new-key", "") == [401, 401, 401]
        keys.unlink()
        assert await statuses("new-key") == [401]
        replace("old-key\n")
        assert await statuses("old-key") == [200]
