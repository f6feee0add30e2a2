"""A worker that shuts down is first not ready, then not listed, even if a heartbeat is under way."""

import threading
import time

import pytest

from shared import workers
from shared.workers import WorkerInfo
from worker.generate.heartbeat import Heartbeat

INFO = WorkerInfo(name="w", ready=True, model="m", device_type="cpu", device_name="cpu", job_id="job")


@pytest.fixture
def ending():
    return threading.Event()


@pytest.fixture
def heartbeat(client, ending):
    heartbeat = Heartbeat(client, lambda: INFO, lambda: None, ending.is_set)
    heartbeat.start()
    yield heartbeat
    heartbeat.end()


def until(condition, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come about"
        time.sleep(0.01)


def test_a_worker_that_drains_is_not_ready_at_once(heartbeat, ending, client):
    until(lambda: workers.find(client, "w") == INFO)
    ending.set()
    start = time.monotonic()
    until(lambda: not workers.find(client, "w").ready)
    assert time.monotonic() - start < 1  # heartbeats are two seconds apart
    assert workers.find(client, "w").job_id == "job"


def test_at_maxmemory_a_worker_is_still_seen(client):
    client.config_set("maxmemory", 1)
    workers.publish(client, INFO)
    assert workers.find(client, "w") == INFO
    assert client.zscore(workers.WORKERS, "w") is not None


def test_a_heartbeat_that_is_under_way_does_not_undo_the_end(client, monkeypatch):
    begun, go_on, publish = threading.Event(), threading.Event(), workers.publish

    def slow(*arguments):
        begun.set()
        go_on.wait(5)
        publish(*arguments)

    monkeypatch.setattr(workers, "publish", slow)
    heartbeat = Heartbeat(client, lambda: INFO, lambda: None, lambda: False)
    heartbeat.start()
    assert begun.wait(5)
    threading.Timer(0.1, go_on.set).start()
    heartbeat.end()
    assert not heartbeat.is_alive()
    assert workers.find(client, "w") is None
    assert client.zscore(workers.WORKERS, "w") is None
