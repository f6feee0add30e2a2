"""The HTTP contract on a real server; the workers' part is played by the ledger's own moves."""

import asyncio
import base64
import io

import pytest
import structlog
from PIL import Image

from shared.jobs import JobStatus
from shared.ledger import moves, reads
from shared.ledger.keys import QUEUED
from shared.queue import GENERATE, waiting_job_ids

BODY = {"prompt": "a red fox", "sizes": [64, 128]}
UNKNOWN = "3f0c2d0e-6a5b-4f53-8d43-6f3a2f9f8f10"


async def submitted(http, **extra):
    response = await http.post("/api/jobs", json=BODY | extra)
    assert response.status_code == 202, response.text
    return response.json()


async def test_submit_answers_the_job_and_leaves_one_message(serve, client):
    async with serve() as http:
        response = await http.post("/api/jobs", json=BODY | {"seed": 7})
        job = response.json()
        assert response.status_code == 202
        assert response.headers["Location"] == f"/api/jobs/{job['id']}" == job["urls"]["self"]
        assert response.headers["X-Request-ID"]
        assert (job["status"], job["queue_position"], job["seed"], job["attempt"]) == ("queued", 1, 7, 0)
        assert job["progress"] == {"step": 0, "steps": None, "fraction": 0}
        assert waiting_job_ids(client, GENERATE) == {job["id"]}
        again = await http.get(f"/api/jobs/{job['id']}")
        assert (again.json(), again.headers["Retry-After"]) == (job, "1")


async def test_seeds_are_chosen_and_reported(serve):
    async with serve() as http:
        seeds = {(await submitted(http))["seed"] for _ in range(5)}
        assert len(seeds) == 5


async def test_a_long_wait_returns_the_moment_it_is_ready(serve, succeed):
    async with serve() as http:
        job = await submitted(http)
        waiting = asyncio.create_task(http.get(f"/api/jobs/{job['id']}?wait=30"))
        while not http._transport.app.state.services.waiting._waiters:
            await asyncio.sleep(0)
        await asyncio.to_thread(succeed, job["id"])
        response = await asyncio.wait_for(waiting, 5)
        done = response.json()
        assert done["status"] == "succeeded"
        assert {size: Image.open(io.BytesIO(base64.b64decode(data))).size for size, data in done["images"].items()} == {
            "64": (64, 64),
            "128": (128, 128),
        }
        assert "Retry-After" not in response.headers


async def test_a_wait_ends_with_the_job_as_it_is(serve):
    async with serve() as http:
        job = await submitted(http)
        response = await http.get(f"/api/jobs/{job['id']}?wait=0.05")
        assert (response.status_code, response.json()["status"]) == (200, "queued")


async def test_images_are_left_out_fetched_and_expire(serve, succeed, client):
    async with serve() as http:
        job = await submitted(http)
        url = f"/api/jobs/{job['id']}"
        assert (await http.get(f"{url}/images/64.png")).status_code == 409
        succeed(job["id"])
        assert (await http.get(f"{url}?include=none")).json()["images"] is None
        image = await http.get(f"{url}/images/64.png")
        assert image.headers["Content-Type"] == "image/png"
        assert int(image.headers["Content-Length"]) == len(image.content)
        assert Image.open(io.BytesIO(image.content)).size == (64, 64)
        assert (
            await http.get(f"{url}/images/64.png", headers={"If-None-Match": image.headers["ETag"]})
        ).status_code == 304
        assert (await http.get(f"{url}/images/65.png")).json()["error"]["code"] == "image_not_found"
        client.delete(f"logo:images:{job['id']}:1")
        for expired in (url, f"{url}/images/64.png"):
            response = await http.get(expired)
            assert (response.status_code, response.json()["error"]["code"]) == (410, "images_expired")
        assert (await http.get(f"{url}?include=none")).status_code == 200


async def test_idempotency(serve, client):
    key = {"Idempotency-Key": "k1"}
    async with serve() as http:
        first, *others = await asyncio.gather(*(http.post("/api/jobs", json=BODY, headers=key) for _ in range(8)))
        responses = [first, *others]
        assert len({response.json()["id"] for response in responses}) == 1
        assert sorted(response.headers.get("Idempotent-Replayed", "") for response in responses) == [""] + ["true"] * 7
        conflict = await http.post("/api/jobs", json=BODY | {"seed": 1}, headers=key)
        assert (conflict.status_code, conflict.json()["error"]["code"]) == (422, "idempotency_conflict")
        client.delete(f"logo:job:{first.json()['id']}")  # as its TTL does
        for body in (BODY, BODY | {"seed": 1}):
            anew = await http.post("/api/jobs", json=body, headers=key)
            assert (anew.status_code, anew.json()["status"]) == (202, "queued")
            assert anew.json()["id"] != first.json()["id"]
            client.delete(f"logo:job:{anew.json()['id']}")
        bad = await http.post("/api/jobs", json=BODY, headers={"Idempotency-Key": "x" * 256})
        assert bad.status_code == 422
        assert "idempotency-key" in bad.json()["error"]["message"].lower()


async def test_cancel(serve, ledger):
    async with serve() as http:
        job = await submitted(http)
        assert (await http.delete(f"/api/jobs/{job['id']}")).json()["status"] == "canceled"
        assert (await http.delete(f"/api/jobs/{job['id']}")).json()["status"] == "canceled"
        running = await submitted(http)
        ledger.run(moves.claim(running["id"], worker="w", delivery="d"))
        answer = (await http.delete(f"/api/jobs/{running['id']}")).json()
        assert (answer["status"], answer["cancel_requested"]) == ("running", True)


@pytest.mark.parametrize("path", ["/api/jobs", "/api/generate_logo"])
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"prompt": "ab"}, "prompt"),
        ({"prompt": "a" * 501}, "prompt"),
        ({"prompt": "    "}, "prompt"),
        ({"prompt": 7}, "prompt"),
        ({}, "prompt"),
        ({"prompt": "fox", "sizes": ["big"]}, "sizes"),
        ({"prompt": "fox", "sizes": [1, 9999]}, "sizes"),
    ],
)
async def test_bad_input_names_its_field(serve, path, body, field):
    async with serve() as http:
        response = await http.post(path, json=body)
        answer = response.json()
        assert response.status_code == 422
        assert answer["error"]["code"] == "validation_error"
        assert field in answer["error"]["message"]
        assert field in answer["detail"][0]["loc"]
        assert answer["request_id"] == response.headers["X-Request-ID"]


async def test_an_unknown_field_is_named_but_not_to_the_app(serve):
    async with serve(request_timeout=1) as http:
        assert "colour" in (await http.post("/api/jobs", json=BODY | {"colour": 1})).json()["error"]["message"]
        assert (await http.post("/api/generate_logo", json=BODY | {"colour": 1})).status_code == 504


async def test_bodies_that_are_no_json_or_too_large(serve):
    async with serve() as http:
        for body in (b"{", b"\xff\xfe", b'{"prompt": "\\ud800abc"}', b"[]", b"", b"\xf0n:\xdf\xa4"):
            assert (await http.post("/api/jobs", content=body)).status_code == 422, body
        for path in ("/api/jobs", "/api/generate_logo"):
            large = await http.post(path, json=BODY | {"prompt": "a" * 65536})
            assert (large.status_code, large.json()["error"]["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("job_id", [UNKNOWN, UNKNOWN.upper(), "x", "..%2f", "a" * 500])
async def test_unknown_and_malformed_ids(serve, job_id):
    async with serve() as http:
        for method, path in [("GET", ""), ("DELETE", ""), ("GET", "/images/64.png")]:
            response = await http.request(method, f"/api/jobs/{job_id}{path}")
            assert response.status_code == 404
            assert response.json()["error"]["code"] in ("job_not_found", "not_found")


@pytest.mark.parametrize(("query", "name"), [("wait=61", "wait"), ("wait=-1", "wait"), ("include=all", "include")])
async def test_bad_queries_are_named(serve, query, name):
    async with serve() as http:
        response = await http.get(f"/api/jobs/{UNKNOWN}?{query}")
        assert response.status_code == 422
        assert name in response.json()["error"]["message"]


async def test_the_queue_is_bounded(serve):
    async with serve(max_queue_length=2) as http:
        for _ in range(2):
            await submitted(http)
        full = await http.post("/api/jobs", json=BODY)
        assert (full.status_code, full.json()["error"]["code"]) == (429, "queue_full")
        assert int(full.headers["Retry-After"]) > 0


async def test_keys(serve, succeed):
    ours, theirs = {"Authorization": "Bearer one"}, {"X-API-Key": "two"}
    async with serve(api_keys=("one", "two"), request_timeout=1) as http:
        for headers in ({}, {"X-API-Key": "three"}):
            for response in (
                await http.post("/api/jobs", json=BODY, headers=headers),
                await http.post("/api/generate_logo", json=BODY, headers=headers),
                await http.get(f"/api/jobs/{UNKNOWN}", headers=headers),
            ):
                assert (response.status_code, response.json()["error"]["code"]) == (401, "unauthorized")
        job = (await http.post("/api/jobs", json=BODY, headers=ours)).json()
        succeed(job["id"])
        assert (await http.get(f"/api/jobs/{job['id']}", headers=ours)).status_code == 200
        for method, path in [("GET", ""), ("GET", "?wait=1"), ("DELETE", ""), ("GET", "/images/64.png")]:
            response = await http.request(method, f"/api/jobs/{job['id']}{path}", headers=theirs)
            assert response.status_code == 404
        assert (await http.get("/health")).status_code == 200


class TestApp:
    """The call that the mobile app makes."""

    async def test_a_logo(self, serve, succeed, client):
        async with serve() as http:
            held = asyncio.create_task(
                http.post("/api/generate_logo", json={"prompt": "  a ", "sizes": [128, 64, 128, 9]})
            )
            while not (queued := client.zrange(QUEUED, 0, -1)):
                assert not held.done(), held.result().text
                await asyncio.sleep(0.01)
            assert client.hget(f"logo:job:{queued[0].decode()}", "sizes") == b"[128, 64]"
            await asyncio.to_thread(succeed, queued[0].decode())
            response = await asyncio.wait_for(held, 5)
            answer = response.json()
            assert response.status_code == 200
            assert answer.keys() == {"message", "prompt", "images", "sizes", "model"}
            assert answer["message"] == "Logo generated successfully!"
            assert (answer["sizes"], set(answer["images"]), answer["model"]) == (
                [128, 64, 128],
                {"64", "128"},
                "test-model",
            )

    async def test_too_slow(self, serve, ledger, client):
        async with serve(request_timeout=1) as http:
            response = await http.post("/api/generate_logo", json=BODY)
            details = response.json()["error"]["details"]
            assert response.status_code == 504
            assert details["url"] == f"/api/jobs/{details['job_id']}"
            assert ledger.run(reads.job(details["job_id"])).job.status is JobStatus.QUEUED

    @pytest.mark.parametrize(
        ("end", "status", "detail"),
        [
            (
                lambda i: moves.fail(i, code="c", message="no GPU", ttl_seconds=9),
                500,
                "Failed to generate logo: no GPU",
            ),
            (lambda i: moves.cancel(i, ttl_seconds=9), 409, "the job was canceled"),
            (lambda i: moves.expire(i, ttl_seconds=9), 409, "the job was expired"),
        ],
    )
    async def test_a_job_that_came_to_nothing(self, serve, ledger, client, end, status, detail):
        async with serve() as http:
            held = asyncio.create_task(http.post("/api/generate_logo", json=BODY))
            while not (queued := client.zrange(QUEUED, 0, -1)):
                assert not held.done(), held.result().text
                await asyncio.sleep(0.01)
            ledger.run(end(queued[0].decode()))
            response = await asyncio.wait_for(held, 5)
            assert (response.status_code, response.json()["detail"]) == (status, detail)
            if status == 500:
                assert response.json()["message"] == "Internal server error"
                assert response.json()["status"] == "error"

    async def test_root_and_health(self, serve):
        async with serve(environment="test") as http:
            root = (await http.get("/")).json()
            assert (root["status"], root["docs"]) == ("healthy", "/docs")
            assert "<html" in (await http.get("/", headers={"Accept": "text/html,*/*"})).text
            health = (await http.get("/health")).json()
            assert (health["status"], health["model_loaded"], health["environment"]) == ("healthy", False, "test")
            assert health["queue"] == {"depth": 0, "oldest_age_seconds": 0}
            assert (await http.get("/health/ready")).status_code == 503
            assert (await http.get("/health/live")).status_code == 200


async def test_request_ids(serve):
    async with serve() as http:
        assert (await http.get("/", headers={"X-Request-ID": "mine-1"})).headers["X-Request-ID"] == "mine-1"
        assert (await http.get("/", headers={"X-Request-ID": "bad id"})).headers["X-Request-ID"] != "bad id"
        assert (await http.get("/nowhere", headers={"X-Request-ID": "mine-2"})).json()["request_id"] == "mine-2"


async def test_what_nobody_foresaw_is_the_documented_500(serve, monkeypatch):
    async with serve() as http:
        monkeypatch.setattr("api.routes.jobs.own_job", None)
        # Captured, because formatting a traceback for the console takes seconds.
        with structlog.testing.capture_logs() as logs:
            response = await http.get(f"/api/jobs/{UNKNOWN}", headers={"Origin": "https://app.example"})
        assert "request.failed" in [entry["event"] for entry in logs]
        assert response.status_code == 500
        assert response.headers["Access-Control-Allow-Origin"] == "*"  # a page can read it
        assert response.json()["status"] == "error"
        assert response.headers["X-Request-ID"] == response.json()["request_id"]
        assert "NoneType" not in response.text
