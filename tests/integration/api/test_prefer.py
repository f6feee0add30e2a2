"""`Prefer: wait=N` on a submit, and `Retry-After` on answers about jobs that have not ended."""

import asyncio

from redis.exceptions import ConnectionError as RedisConnectionError

from api.openapi import job_of
from shared.ledger import keys, moves, reads
from shared.schemas import JobView

BODY = {"prompt": "a red fox", "sizes": [64]}


async def queued_id(client):
    while not (queued := client.zrange(keys.QUEUED, 0, -1)):
        await asyncio.sleep(0.01)
    return queued[0].decode()


async def test_a_held_submit_answers_with_the_images(serve, succeed, client):
    async with serve() as http:
        held = asyncio.create_task(http.post("/api/jobs", json=BODY, headers={"Prefer": "wait=30"}))
        job_id = await queued_id(client)
        await asyncio.to_thread(succeed, job_id)
        response = await asyncio.wait_for(held, 5)
        job = response.json()
        assert (response.status_code, job["status"], set(job["images"])) == (200, "succeeded", {"64"})
        assert response.headers["Preference-Applied"] == "wait=30"
        assert response.headers["Location"] == f"/api/jobs/{job_id}"
        assert "Retry-After" not in response.headers


async def test_one_that_is_not_ready_in_time_is_a_202_and_goes_on(serve, ledger):
    async with serve() as http:
        response = await http.post("/api/jobs", json=BODY, headers={"Prefer": "respond-async, wait=0"})
        assert (response.status_code, response.json()["status"]) == (202, "queued")
        assert (response.headers["Preference-Applied"], response.headers["Retry-After"]) == ("wait=0", "1")
        assert ledger.run(reads.job(response.json()["id"])).job.status == "queued"


async def test_a_job_that_ended_otherwise_is_a_200_without_images(serve, client, ledger):
    async with serve() as http:
        held = asyncio.create_task(http.post("/api/jobs", json=BODY, headers={"Prefer": "wait=30"}))
        ledger.run(moves.fail(await queued_id(client), code="c", message="no GPU", ttl_seconds=9))
        response = await asyncio.wait_for(held, 5)
        assert (response.status_code, response.json()["status"], response.json()["images"]) == (200, "failed", None)


async def test_a_preference_that_makes_no_sense_is_ignored(serve):
    async with serve() as http:
        response = await http.post("/api/jobs", json=BODY, headers={"Prefer": "wait=soon"})
        assert response.status_code == 202
        assert "Preference-Applied" not in response.headers


async def test_a_repeat_under_the_same_key_waits_for_the_first_ones_job(serve, succeed, client):
    key = {"Idempotency-Key": "k"}
    async with serve() as http:
        first = await http.post("/api/jobs", json=BODY, headers=key)
        job_id = first.json()["id"]
        held = asyncio.create_task(http.post("/api/jobs", json=BODY, headers=key | {"Prefer": "wait=30"}))
        while not http._transport.app.state.services.waiting._waiters:
            await asyncio.sleep(0)
        await asyncio.to_thread(succeed, job_id)
        response = await asyncio.wait_for(held, 5)
        assert (response.status_code, response.json()["id"]) == (200, job_id)
        assert response.headers["Idempotent-Replayed"] == "true"
        client.delete(f"logo:images:{job_id}:1")
        gone = await http.post("/api/jobs", json=BODY, headers=key | {"Prefer": "wait=1"})
        assert (gone.status_code, gone.json()["error"]["code"]) == (410, "images_expired")


async def test_redis_that_goes_away_during_the_wait_leaves_the_202(serve, monkeypatch):
    async with serve() as http:

        async def lost(*_):
            raise RedisConnectionError

        monkeypatch.setattr(http._transport.app.state.services.waiting, "until_terminal", lost)
        response = await http.post("/api/jobs", json=BODY, headers={"Prefer": "wait=5"})
        assert (response.status_code, response.json()["status"]) == (202, "queued")


async def test_a_caller_that_leaves_does_not_cancel(serve, client, ledger):
    async with serve() as http:
        held = asyncio.create_task(http.post("/api/jobs", json=BODY, headers={"Prefer": "wait=30"}))
        job_id = await queued_id(client)
        while not held.done():  # more than once: asyncio.wait_for can swallow one on Python 3.11
            held.cancel()
            await asyncio.wait([held], timeout=0.1)
        assert held.cancelled()
        assert ledger.run(reads.job(job_id)).job.status == "queued"


async def test_retry_after_while_it_is_not_terminal(serve, ledger):
    async with serve() as http:
        submitted = await http.post("/api/jobs", json=BODY)
        url = submitted.headers["Location"]
        ledger.run(moves.claim(submitted.json()["id"], worker="w", delivery="d"))
        assert [r.headers["Retry-After"] for r in (submitted, await http.get(url), await http.delete(url))] == ["1"] * 3


async def test_the_openapi_pages_jobs_are_valid(serve):
    async with serve() as http:
        page = (await http.get("/openapi.json")).json()
        answers = page["paths"]["/api/jobs"]["post"]["responses"]
        for status in (200, 202):
            # The page leaves out nulls, which the schema requires.
            JobView.model_validate(job_of(status)[status]["content"]["application/json"]["example"])
            assert answers[str(status)]["content"]["application/json"]["example"]["status"]
        names = [parameter["name"] for parameter in page["paths"]["/api/jobs"]["post"]["parameters"]]
        assert {"prefer", "idempotency-key"} <= {name.lower() for name in names}
