"""Reads of one turn of the loop share a round trip, and nobody's trouble is another's."""

import asyncio

import pytest

from api import turns
from api.shared_reads import MOST_TRIPS, SharedReads
from shared.connection import prompt_client
from shared.jobs import Job, JobStatus
from shared.ledger import keys, moves
from shared.ledger.run import AsyncLedger


@pytest.fixture
async def asked(valkey, ledger, monkeypatch):
    """Shared reads on a real server, and the number of jobs in each of their round trips."""
    client, trips = prompt_client(valkey.url), []
    asynchronous = AsyncLedger(client)
    run, run_many = asynchronous.run, asynchronous.run_many

    async def one(command):
        trips.append(1)
        return await run(command)

    async def many(commands):
        trips.append(len(commands))
        return await run_many(commands)

    monkeypatch.setattr(asynchronous, "run", one)
    monkeypatch.setattr(asynchronous, "run_many", many)
    for job_id in ("a", "b"):
        ledger.run(moves.create(Job(job_id, JobStatus.QUEUED, "fox", (64,), seed=1), max_queue=9))
    yield SharedReads(asynchronous), trips
    await client.aclose()


async def test_all_of_one_turn_share_a_round_trip(asked):
    shared, trips = asked
    found = await asyncio.gather(*(shared.job(job_id) for job_id in ("a", "b", "a", "none")))
    assert [reading and reading.job.id for reading in found] == ["a", "b", "a", None]
    assert trips == [3]
    assert (await shared.job("b")).job.id == "b"
    assert trips == [3, 1]


async def test_one_that_is_canceled_takes_nothing_from_the_others(asked):
    shared, _ = asked
    first, second = (asyncio.create_task(shared.job("a")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).job.id == "a"


async def test_one_that_cannot_be_read_is_the_error_of_its_own_callers(asked, ledger):
    shared, _ = asked
    ledger.client.hset(keys.job("b"), "status", "of another version")
    found = await asyncio.gather(shared.job("a"), shared.job("b"), return_exceptions=True)
    assert found[0].job.id == "a"
    assert isinstance(found[1], ValueError)


async def test_a_burst_of_polls_is_served_over_few_connections(serve, ledger, client, monkeypatch):
    monkeypatch.setattr(turns, "MOST_SECONDS", 60)
    ids = [f"00000000-0000-4000-8000-{number:012}" for number in range(600)]
    for job_id in ids:
        ledger.run(moves.create(Job(job_id, JobStatus.QUEUED, "fox", (64,), seed=1), max_queue=999))
    async with serve(max_loop_lag_seconds=60) as http:
        before = client.info("clients")["connected_clients"]
        answers = await asyncio.gather(*(http.get(f"/api/jobs/{job_id}") for job_id in ids))
        assert {answer.status_code for answer in answers} == {200}
        assert [answer.json()["id"] for answer in answers] == ids
        assert client.info("clients")["connected_clients"] - before <= MOST_TRIPS + 2


async def test_a_call_that_finds_no_free_connection_hears_that_the_server_is_busy(serve):
    async with serve() as http:
        pool = http._transport.app.state.services.client.connection_pool
        pool.max_connections, pool.timeout = 1, 0.05
        taken = await pool.get_connection()
        try:
            for method, path, body in (
                ("GET", "/api/jobs", None),
                ("POST", "/api/jobs", {"prompt": "a red fox"}),
                ("POST", "/v1/images/generations", {"prompt": "a red fox"}),
                ("POST", "/v1/predictions", {"input": {"prompt": "a red fox"}}),
            ):
                answer = await http.request(method, path, json=body)
                assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
                assert "the job store is busy" in answer.text
        finally:
            await pool.release(taken)
