"""`DELETE ?forget=true`: nothing of a job is left, whatever state it is in."""

import asyncio

import pytest

from shared.ledger import keys, moves, reads
from shared.ledger.replies import Outcome
from shared.results import places
from shared.results.redis_store import RedisResults

PROMPT = "a secret leaf"
BODY = {"prompt": PROMPT, "sizes": [64, 128]}
OWN, OTHER = {"X-API-Key": "owner-of-the-job"}, {"X-API-Key": "somebody-else"}
KEYS = tuple(key["X-API-Key"] for key in (OWN, OTHER))
TTL = 60


@pytest.fixture
def naming(client):
    """The keys whose name or content has a text; without the stream of events, which names ids and states only."""

    def _naming(text):
        found = []
        for key in client.scan_iter():
            read = {
                b"string": client.get,
                b"hash": client.hgetall,
                b"set": client.smembers,
                b"zset": lambda key: client.zrange(key, 0, -1),
                b"list": lambda key: client.lrange(key, 0, -1),
                b"stream": lambda _: "",
            }[client.type(key)]
            if text.encode() in key or text in repr(read(key)):
                found.append(key)
        return found

    return _naming


def claim(ledger):
    return ledger.run(moves.claim_next(worker="w", delivery="d")).job


async def submit(http):
    made = await http.post("/api/jobs", json=BODY, headers=OWN | {"Idempotency-Key": "once"})
    assert made.status_code == 202
    return made.json()["id"]


async def assert_gone(http, job_id, naming):
    for path in ("", "/events", "/images/64.png", "?wait=5"):
        assert (await http.get(f"/api/jobs/{job_id}{path}", headers=OWN)).status_code == 404
    assert (await http.delete(f"/api/jobs/{job_id}?forget=true", headers=OWN)).status_code == 404
    assert (await http.get("/api/jobs", headers=OWN)).json()["jobs"] == []
    assert naming(PROMPT) == []
    # The same request under the same key is a new job.
    again = await http.post("/api/jobs", json=BODY, headers=OWN | {"Idempotency-Key": "once"})
    assert (again.status_code, again.json()["id"] != job_id) == (202, True)
    assert naming(job_id) == []


@pytest.fixture
def quiet(monkeypatch):
    """No message leads to a job: it would name it until a worker takes it."""
    monkeypatch.setattr("api.submission.generate_message", lambda *_: ("", ""))


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("status", ["succeeded", "failed", "canceled", "expired", "queued", "finishing"])
async def test_nothing_is_left_of_it(serve, succeed, ledger, client, naming, status):
    async with serve(api_keys=KEYS) as http:
        job_id = await submit(http)
        if status == "succeeded":
            # A lost attempt may have stored its images before its lease was given away.
            RedisResults(client).put(places.images(job_id, claim(ledger).attempt), {"64": "AAAA"}, TTL)
            ledger.run(moves.requeue(job_id, 1))
            succeed(job_id)
        elif status == "failed":
            ledger.run(moves.fail(job_id, code="c", message="m", ttl_seconds=TTL))
        elif status == "canceled":
            await http.delete(f"/api/jobs/{job_id}", headers=OWN)
        elif status == "expired":
            ledger.run(moves.expire(job_id, ttl_seconds=TTL))
        elif status == "finishing":
            attempt = claim(ledger).attempt
            RedisResults(client).put(places.pixels(job_id, attempt), {"": b"pixels"}, TTL)
            ledger.run(moves.finish(job_id, attempt, width=1, height=1, model="m"))
        assert (await http.delete(f"/api/jobs/{job_id}?forget=true", headers=OTHER)).status_code == 404
        answer = await http.delete(f"/api/jobs/{job_id}?forget=true", headers=OWN)
        ended = "canceled" if status in ("queued", "finishing") else status
        assert (answer.status_code, answer.json()["status"]) == (200, ended)
        await assert_gone(http, job_id, naming)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("end", ["its worker cancels it", "its worker is lost", "it fails"])
async def test_a_running_job_is_canceled_first(serve, ledger, client, naming, end):
    async with serve(api_keys=KEYS) as http:
        job_id = await submit(http)
        job = claim(ledger)
        RedisResults(client).put(places.preview(job_id, job.attempt), {"": b"a preview"}, TTL)
        waits = asyncio.create_task(http.get(f"/api/jobs/{job_id}?wait=30", headers=OWN))
        while http._transport.app.state.services.waiting.count == 0:
            await asyncio.sleep(0.01)
        answer = await http.delete(f"/api/jobs/{job_id}?forget=true", headers=OWN)
        assert (answer.status_code, answer.json()["status"]) == (200, "running")
        assert (await http.get(f"/api/jobs/{job_id}", headers=OWN)).status_code == 200
        if end == "it fails":
            ended = moves.fail(job_id, code="c", message="m", ttl_seconds=TTL, attempt=job.attempt)
        else:
            ended = moves.cancel(job_id, ttl_seconds=TTL, attempt=job.attempt if end != "its worker is lost" else None)
        moved = ledger.run(ended)
        assert (moved.outcome, moved.job.id) == (Outcome.MOVED, job_id)
        assert ledger.run(ended).outcome is Outcome.MISSING  # a repeat after a lost reply
        assert (await waits).status_code == 404
        client.delete(places.preview(job_id, job.attempt).key)  # as its minute does
        await assert_gone(http, job_id, naming)


@pytest.mark.usefixtures("quiet")
async def test_its_webhook_is_not_sent(serve, ledger, client):
    secrets = {"webhook_secrets": ("whsec_" + "bmV3" * 8,), "api_keys": KEYS}
    async with serve(**secrets) as http:
        for before in (True, False):
            made = await http.post("/api/jobs", json=BODY | {"webhook_url": "https://example.com/"}, headers=OWN)
            job_id = made.json()["id"]
            if before:
                await http.delete(f"/api/jobs/{job_id}", headers=OWN)
                assert client.zcard(keys.WEBHOOKS) == 1
            await http.delete(f"/api/jobs/{job_id}?forget=true", headers=OWN)
            assert client.zcard(keys.WEBHOOKS) == 0
            assert ledger.run(reads.job(job_id)) is None
