"""The API when Redis is away, full or read-only."""

import os
import signal
import time

import pytest

from shared.queue import GENERATE, waiting_job_ids

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


async def test_full(serve, valkey, client, succeed):
    async with serve() as http:
        job = (await http.post("/api/jobs", json=BODY)).json()
        succeed(job["id"])
        client.config_set("maxmemory", 1)
        assert (await http.post("/api/jobs", json=BODY)).status_code == 503
        assert (await http.get(f"/api/jobs/{job['id']}")).json()["images"].keys() == {"64"}


async def test_a_record_without_a_message_is_still_a_202(serve, client, monkeypatch):
    def broken(*_):
        raise OSError("broker away")

    monkeypatch.setattr("api.submission.send_generate", broken)
    async with serve() as http:
        response = await http.post("/api/jobs", json=BODY)
        assert response.status_code == 202
        assert waiting_job_ids(client, GENERATE) == set()
