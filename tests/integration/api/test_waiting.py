"""Long waits when events are lost: the server restarts, the stream is emptied."""

import asyncio
import time

import pytest

from api.waiting import TOGETHER_SECONDS, Waiting
from shared.connection import prompt_client
from shared.errors import JobNotFound
from shared.jobs import Job, JobStatus
from shared.ledger import keys, moves
from shared.ledger.run import AsyncLedger, Ledger


@pytest.fixture
def valkey(own_valkey):
    return own_valkey


def create(ledger, job_id):
    ledger.run(moves.create(Job(id=job_id, status=JobStatus.QUEUED, prompt="fox", sizes=(64,), seed=1), max_queue=999))


def reads_of(client):
    """How often the events were read, but for a reading that waits."""
    return client.info("commandstats").get("cmdstat_xread", {"calls": 0})["calls"]


async def registered(waiting, count):
    while waiting.count < count:
        await asyncio.sleep(0.01)


async def test_many_waiters_one_connection(valkey, ledger):
    for i in range(200):
        create(ledger, f"job-{i}")
    client = prompt_client(valkey.url)
    waiting = Waiting(valkey.url, AsyncLedger(client))
    async with waiting.running():
        waits = [asyncio.create_task(waiting.until_terminal(f"job-{i}", 30, None)) for i in range(200)]
        await registered(waiting, 200)
        for i in range(200):
            ledger.run(moves.cancel(f"job-{i}", ttl_seconds=60))
        readings = await asyncio.wait_for(asyncio.gather(*waits), 10)
        assert {reading.job.status for reading in readings} == {JobStatus.CANCELED}
        assert waiting._waiters == {}
        assert waiting.count == 0
    await client.aclose()


async def test_events_that_follow_each_other_are_read_together(valkey, ledger, client):
    created = [f"job-{i}" for i in range(300)]
    reader = prompt_client(valkey.url)
    waiting = Waiting(valkey.url, AsyncLedger(reader))
    async with waiting.running():
        create(ledger, "first")
        while waiting.last_event == "0-0":
            await asyncio.sleep(0.01)
        before, start = reads_of(client), time.monotonic()
        for job_id in created:
            await asyncio.to_thread(create, ledger, job_id)
        newest = client.xrevrange(keys.EVENTS, count=1)[0][0].decode()
        while waiting.last_event != newest:
            await asyncio.sleep(0.01)
        seconds = time.monotonic() - start
        assert reads_of(client) - before <= seconds / TOGETHER_SECONDS + 3
    await reader.aclose()


async def test_an_end_that_came_while_redis_restarted_is_seen(valkey, ledger):
    create(ledger, "job")
    client = prompt_client(valkey.url)
    waiting = Waiting(valkey.url, AsyncLedger(client))
    async with waiting.running():
        wait = asyncio.create_task(waiting.until_terminal("job", 60, None))
        await registered(waiting, 1)
        valkey.kill()
        valkey.start()
        with valkey.client() as direct:
            Ledger(direct).run(moves.cancel("job", ttl_seconds=60))
            direct.delete(keys.EVENTS)  # as if the event had been trimmed before anybody read it
        reading = await asyncio.wait_for(wait, 15)
        assert reading.job.status is JobStatus.CANCELED
    await client.aclose()


async def test_a_terminal_job_and_an_unknown_one_are_answered_at_once(valkey, ledger):
    create(ledger, "job")
    ledger.run(moves.cancel("job", ttl_seconds=60))
    client = prompt_client(valkey.url)
    waiting = Waiting(valkey.url, AsyncLedger(client))
    reading = await asyncio.wait_for(waiting.until_terminal("job", 60, None), 2)
    assert reading.job.status is JobStatus.CANCELED
    with pytest.raises(JobNotFound):
        await asyncio.wait_for(waiting.until_terminal("none", 60, None), 2)
    await client.aclose()


async def test_a_record_that_cannot_be_read_keeps_no_other_waiter_waiting(valkey, ledger):
    for job_id in ("strange", "job"):
        create(ledger, job_id)
    client = prompt_client(valkey.url)
    waiting = Waiting(valkey.url, AsyncLedger(client))
    async with waiting.running():
        waits = [asyncio.create_task(waiting.until_terminal(job_id, 60, None)) for job_id in ("strange", "job")]
        await registered(waiting, 2)
        ledger.client.hset("logo:job:strange", "status", "of another version")
        valkey.kill()
        valkey.start()  # all jobs that are waited for are read again in one round trip
        with valkey.client() as direct:
            Ledger(direct).run(moves.cancel("job", ttl_seconds=60))
        reading = await asyncio.wait_for(waits[1], 15)
        assert reading.job.status is JobStatus.CANCELED
        waits[0].cancel()
        await asyncio.wait([waits[0]])
    await client.aclose()
