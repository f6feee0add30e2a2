"""The API when Redis is away, full or read-only."""

import os
import signal
import threading
import time

import psutil
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from shared import workers
from shared.connection import patient_client
from shared.ledger.run import AsyncLedger
from shared.queue import GENERATE, waiting_job_ids
from shared.results import places
from shared.results.places import WHOLE
from shared.results.redis_store import RedisResults
from shared.workers import WorkerInfo

BODY = {"prompt": "a red fox", "sizes": [64]}


@pytest.fixture
def valkey(own_valkey):
    return own_valkey


async def test_away(serve, valkey):
    async with serve() as http:
        job = (await http.post("/api/jobs", json=BODY)).json()
        valkey.kill()
        for call in (
            lambda: http.post("/api/jobs", json=BODY),
            lambda: http.post("/api/generate_logo", json=BODY),
            lambda: http.get(f"/api/jobs/{job['id']}"),
            lambda: http.delete(f"/api/jobs/{job['id']}"),
            lambda: http.get("/health"),
            lambda: http.get("/health/ready"),
        ):
            start = time.monotonic()
            response = await call()
            assert response.status_code == 503
            assert response.headers["Retry-After"]
            assert time.monotonic() - start < 2
        assert (await http.get("/health/live")).status_code == 200
        valkey.start()
        assert (await http.get(f"/api/jobs/{job['id']}")).json()["status"] == "queued"


async def test_a_disk_that_fills_costs_no_job_that_was_accepted(serve, valkey):
    """Valkey ends at the first write that its file has no room for, in the midst of a record, and is started again."""
    async with serve() as http:
        first = (await http.post("/api/jobs", json=BODY)).json()
        (file,) = valkey.directory.glob("appendonlydir/*.incr.aof")
        server = psutil.Process(valkey.process.pid)
        server.rlimit(psutil.RLIMIT_FSIZE, (file.stat().st_size + 100, psutil.RLIM_INFINITY))
        refused = await http.post("/api/jobs", json=BODY)
        assert (refused.status_code, refused.json()["error"]["details"]["created"]) == (503, "unknown")
        valkey.process.wait(10)
        assert (await http.get(f"/api/jobs/{first['id']}")).status_code == 503
        valkey.start()
        assert [job["id"] for job in (await http.get("/api/jobs")).json()["jobs"]] == [first["id"]]
        assert (await http.post("/api/jobs", json=BODY)).status_code == 202


async def test_stopped_in_mid_connection(serve, valkey):
    """A half-open connection: the server takes bytes and never answers."""
    async with serve() as http:
        await http.get("/health")
        os.kill(valkey.process.pid, signal.SIGSTOP)
        try:
            start = time.monotonic()
            response = await http.post("/api/jobs", json=BODY)
            assert response.status_code == 503
            assert time.monotonic() - start < 2
        finally:
            os.kill(valkey.process.pid, signal.SIGCONT)


@pytest.mark.parametrize(
    "unwritable", [lambda client: client.config_set("maxmemory", 1), lambda client: client.replicaof("127.0.0.1", 1)]
)
async def test_full_or_read_only(serve, valkey, client, succeed, unwritable):
    async with serve() as http:
        job = (await http.post("/api/jobs", json=BODY)).json()
        succeed(job["id"])
        unwritable(client)
        response = await http.post("/api/jobs", json=BODY)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
        assert (await http.get(f"/api/jobs/{job['id']}")).json()["images"].keys() == {"64"}


async def test_no_room_for_the_result_is_a_429_until_there_is_some(serve, client):
    async with serve() as http:
        again = {"Idempotency-Key": "k"}
        created = (await http.post("/api/jobs", json=BODY, headers=again)).json()
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 2**20)
        response = await http.post("/api/jobs", json={"prompt": "a red fox", "sizes": [1024]})
        assert (response.status_code, response.json()["error"]["code"]) == (429, "no_room")
        assert response.headers["Retry-After"] == "10"
        # What was taken before is answered as before.
        replayed = await http.post("/api/jobs", json=BODY, headers=again)
        assert (replayed.status_code, replayed.json()["id"]) == (202, created["id"])
        client.config_set("maxmemory", 0)
        assert (await http.post("/api/jobs", json={"prompt": "a red fox", "sizes": [1024]})).status_code == 202


async def test_a_full_server_says_so_and_still_has_its_workers(serve, client):
    info = WorkerInfo("w", ready=True, model="m", device_type="cpu", device_name="cpu", waits_for_room=True)
    client.config_set("maxmemory", 1)
    workers.publish(client, info)
    async with serve() as http:
        response = await http.post("/api/jobs", json=BODY)
        assert (response.status_code, response.json()["error"]["message"]) == (503, "the job store is full; try again")
        assert (await http.get("/health/ready")).status_code == 200
        (worker,) = (await http.get("/health")).json()["workers"]
        assert worker["waits_for_room"] is True


@pytest.fixture
def dies_behind(valkey, monkeypatch):
    """Redis dies just after it has made a record."""
    run = AsyncLedger.run

    async def dying(self, command):
        reply = await run(self, command)
        if command.script == "create":
            valkey.kill()
        return reply

    monkeypatch.setattr(AsyncLedger, "run", dying)


@pytest.mark.parametrize("prefer", [{}, {"Prefer": "wait=5"}])
async def test_what_was_created_is_a_202_and_has_its_message(serve, valkey, client, dies_behind, prefer):
    async with serve() as http:
        response = await http.post("/api/jobs", json=BODY, headers=prefer)
        job = response.json()
        assert (response.status_code, job["status"], job["queue_position"]) == (202, "queued", 1)
        assert response.headers["Location"] == f"/api/jobs/{job['id']}"
        valkey.start()
        assert waiting_job_ids(client, GENERATE) == {job["id"]}
        assert (await http.get(response.headers["Location"])).json() == job


async def test_a_held_call_names_the_job_that_it_made(serve, valkey, dies_behind):
    async with serve() as http:
        response = await http.post("/api/generate_logo", json=BODY)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
        valkey.start()
        url = response.json()["error"]["details"]["url"]
        assert (await http.get(url)).json()["status"] == "queued"
        response = await http.post("/v1/images/generations", json={"prompt": "a red fox"})
        # The call made a job: without a key a repeat would make another one.
        assert (response.status_code, response.headers["X-Should-Retry"]) == (503, "false")
        valkey.start()


@pytest.mark.parametrize("lost", [RedisConnectionError, RedisTimeoutError, ConnectionResetError])
async def test_a_create_whose_reply_is_lost_is_repeated_under_its_key(serve, monkeypatch, lost):
    run = AsyncLedger.run

    async def cut(self, command):
        reply = await run(self, command)
        if command.script == "create":
            raise lost
        return reply

    key = {"Idempotency-Key": "k"}
    async with serve() as http:
        with monkeypatch.context() as patch:
            patch.setattr(AsyncLedger, "run", cut)
            response = await http.post("/api/jobs", json=BODY, headers=key)
        error = response.json()["error"]
        assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
        assert (error["code"], error["details"]) == (
            "service_unavailable",
            {"created": "unknown", "idempotency_key": "k"},
        )
        assert "same Idempotency-Key" in error["message"]
        again = await http.post("/api/jobs", json=BODY, headers=key)
        assert (again.status_code, again.headers["Idempotent-Replayed"]) == (202, "true")
        assert len((await http.get("/api/jobs")).json()["jobs"]) == 1


def test_a_drawing_outlasts_a_full_server(valkey, client):
    """The hand-over and the finished images wait for memory, so that the job is not drawn again."""
    patient = patient_client(valkey.url, outage_seconds=60)
    client.config_set("maxmemory", 1)
    room = threading.Timer(1, client.config_set, ("maxmemory", 0))
    room.start()
    RedisResults(patient).put(places.pixels("job", 1), {WHOLE: b"pixels"}, 60)
    client.config_set("maxmemory", 1)
    room_again = threading.Timer(1, client.config_set, ("maxmemory", 0))
    room_again.start()
    RedisResults(patient).put(places.images("job", 1), {"64": "image"}, 60)
    room.join()
    room_again.join()
    assert RedisResults(client).get(places.pixels("job", 1)) == {WHOLE: b"pixels"}
    assert RedisResults(client).get(places.images("job", 1)) == {"64": b"image"}
    patient.close()


def test_a_drawing_outlasts_a_read_only_server(valkey, client):
    patient = patient_client(valkey.url, outage_seconds=60)
    client.replicaof("127.0.0.1", 1)
    writable = threading.Timer(1, client.replicaof, ("NO", "ONE"))
    writable.start()
    RedisResults(patient).put(places.pixels("job", 1), {WHOLE: b"pixels"}, 60)
    writable.join()
    assert RedisResults(client).get(places.pixels("job", 1)) == {WHOLE: b"pixels"}
    patient.close()
