"""A lease on a real server: it is renewed while a step lasts, and ends the process of a step that hangs."""

import threading
import time

from shared.ledger.keys import LEASES
from shared.results.redis_store import RedisResults
from tests.integration.worker.conftest import FakeModel
from worker.finish.finisher import Finisher
from worker.generate.generator import Generator
from worker.settings import WorkerSettings


def wait_for(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come about"
        time.sleep(0.01)


def test_a_lease_is_renewed_while_a_step_lasts(job, draw, client, monkeypatch):
    monkeypatch.setattr("worker.lease.RENEW_SECONDS", 0.05)
    scores = []

    def slow(_):
        before = client.zscore(LEASES, "job")
        wait_for(lambda: client.zscore(LEASES, "job") > before)
        scores.append(before)

    draw(FakeModel(slow, steps=2))
    assert len(scores) == 2


def test_a_finish_has_no_steps_and_may_last(job, draw, ledger, recovery, client, monkeypatch):
    draw(FakeModel())
    killed = threading.Event()
    monkeypatch.setattr("worker.lease.RENEW_SECONDS", 0.02)
    monkeypatch.setattr("worker.lease.os.kill", lambda pid, signal: killed.set())
    settings = WorkerSettings.model_construct(**WorkerSettings(_env_file=None).model_dump() | {"stall_seconds": 0.1})

    def slow(*_):
        begun = time.monotonic()
        while time.monotonic() - begun < 2 * settings.stall_seconds and not killed.is_set():
            before = client.zscore(LEASES, "job")
            wait_for(lambda before=before: client.zscore(LEASES, "job") > before)
        return {"64": "late"}

    monkeypatch.setattr("worker.finish.finisher.encode_images", slow)
    Finisher(ledger, ledger, RedisResults(client), recovery, settings).finish("job")
    assert (killed.is_set(), job().status) == (False, "succeeded")


def test_a_stalled_step_ends_the_process(job, ledger, celery_app, monkeypatch):
    killed = threading.Event()
    monkeypatch.setattr("worker.lease.RENEW_SECONDS", 0.02)
    monkeypatch.setattr("worker.lease.os.kill", lambda pid, signal: killed.set())
    monkeypatch.setattr("worker.lease.log.error", lambda *_, **__: None)
    settings = WorkerSettings.model_construct(**WorkerSettings(_env_file=None).model_dump() | {"stall_seconds": 0.1})
    model = FakeModel(lambda _: killed.wait(10), steps=1)
    Generator("w", model, ledger, ledger, RedisResults(ledger.client), celery_app, settings).generate("job")
    assert killed.is_set()
