"""The API when Redis is away, full or read-only."""

import os
import signal
import threading
import time

import pytest

from shared.connection import patient_client
from shared.images import load_pixels, store_images, store_pixels
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


def test_a_drawing_outlasts_a_full_server(valkey, client):
    """The hand-over and the finished images wait for memory: a job whose drawing is done is not drawn again."""
    patient = patient_client(valkey.url, outage_seconds=60)
    client.config_set("maxmemory", 1)
    room = threading.Timer(1, client.config_set, ("maxmemory", 0))
    room.start()
    store_pixels(patient, "job", 1, b"pixels")
    client.config_set("maxmemory", 1)
    room_again = threading.Timer(1, client.config_set, ("maxmemory", 0))
    room_again.start()
    store_images(patient, "job", 1, {"64": "image"}, 60)
    room.join()
    room_again.join()
    assert load_pixels(client, "job", 1) == b"pixels"
    assert client.hgetall("logo:images:job:1") == {b"64": b"image"}
    patient.close()


def test_a_drawing_outlasts_a_read_only_server(valkey, client):
    patient = patient_client(valkey.url, outage_seconds=60)
    client.replicaof("127.0.0.1", 1)
    writable = threading.Timer(1, client.replicaof, ("NO", "ONE"))
    writable.start()
    store_pixels(patient, "job", 1, b"pixels")
    writable.join()
    assert load_pixels(client, "job", 1) == b"pixels"
    patient.close()
