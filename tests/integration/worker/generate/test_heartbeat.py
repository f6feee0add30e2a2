"""A worker that shuts down is first not ready, then not listed, even if a heartbeat is under way."""

import functools
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import structlog

from shared import workers
from shared.connection import patient_client
from shared.workers import WorkerInfo
from worker.generate import main, readiness
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


def test_a_child_that_is_gone_is_said_to_be_so_at_once(client, monkeypatch):
    """Its own last entry says that it is ready, for ALIVE_SECONDS more."""
    own = SimpleNamespace(
        add_task_queue=lambda _: None, cancel_task_queue=lambda _: None, consuming_from=lambda _: True
    )
    pool = SimpleNamespace(_pool=SimpleNamespace(_pool=[SimpleNamespace(pid=5, exitcode=None)]))
    consumer = SimpleNamespace(pool=pool, task_consumer=own, cancel_task_queue=lambda _: None)
    monkeypatch.setattr(readiness, "_when_lost", [])
    monkeypatch.setattr(readiness, "_warm_pid", SimpleNamespace(value=5))
    readiness.when_lost(functools.partial(main.say_unready, client, "w"))
    workers.publish(client, INFO)
    readiness.check(consumer)
    assert workers.find(client, "w") == INFO
    pool._pool._pool = [SimpleNamespace(pid=6, exitcode=None)]
    readiness.check(consumer)
    found = workers.find(client, "w")
    assert (found.ready, found.job_id, found.device_name) == (False, "", "cpu")


def test_one_that_loads_in_its_place_is_left_as_it_is(client):
    loading = replace(INFO, ready=False, memory_allocated_bytes=7)
    workers.publish(client, loading)
    workers.unready(client, "w")
    assert workers.find(client, "w") == loading
    workers.unready(client, "nobody")
    assert workers.find(client, "nobody") is None


def test_a_redis_that_is_away_does_not_hold_up_the_parent():
    away = patient_client("redis://127.0.0.1:1", outage_seconds=0)
    with structlog.testing.capture_logs() as events:
        main.say_unready(away, "w")
    assert [event["event"] for event in events] == ["heartbeat.failed"]
