"""A worker's parts on a real server, with a model whose steps the test decides."""

import pytest

from shared.jobs import Job, JobStatus
from shared.ledger import moves, reads
from shared.results.redis_store import RedisResults
from worker.finish.finisher import Finisher
from worker.generate.generator import Generator
from worker.model import Device, Pixels
from worker.recovery import Recovery
from worker.settings import WorkerSettings
from worker.sweeping import Sweeper

S = JobStatus


class FakeModel:
    """Calls `during` between its steps; draws one grey image."""

    name = "fake"

    def __init__(self, during=lambda step: None, steps=4):
        self.during, self.steps, self.drawings = during, steps, []

    def setup(self):
        pass

    def device(self):
        return Device("cpu", "cpu")

    def generate(self, drawing, on_step):
        self.drawings.append(drawing)
        for step in range(1, self.steps + 1):
            self.during(step)
            on_step(step, self.steps)
        return Pixels(64, 64, bytes([128]) * 64 * 64 * 3)


@pytest.fixture
def settings(valkey):
    return WorkerSettings(_env_file=None, redis_url=valkey.url)


@pytest.fixture
def draw(ledger, celery_app, settings):
    def _draw(model, job_id="job"):
        Generator("worker-1", model, ledger, ledger, RedisResults(ledger.client), celery_app, settings).generate(job_id)

    return _draw


@pytest.fixture
def recovery(ledger, celery_app):
    return Recovery(ledger, RedisResults(ledger.client), celery_app, 60)


@pytest.fixture
def finisher(ledger, recovery, settings):
    return Finisher(ledger, ledger, RedisResults(ledger.client), recovery, settings)


@pytest.fixture
def sweeper(ledger, celery_app):
    return Sweeper(ledger, RedisResults(ledger.client), celery_app, 60)


@pytest.fixture
def job(ledger):
    """Creates a queued job; returns the function that reads it."""
    ledger.run(
        moves.create(Job(id="job", status=S.QUEUED, prompt="fox", sizes=(64, 128), seed=3, request_id="r"), max_queue=9)
    )

    def read():
        return ledger.run(reads.job("job")).job

    return read


@pytest.fixture
def read(ledger):
    return lambda job_id="job": ledger.run(reads.job(job_id)).job


@pytest.fixture
def create(ledger):
    def _create(job_id="job"):
        ledger.run(moves.create(Job(id=job_id, status=S.QUEUED, prompt="fox", sizes=(64,), seed=3), max_queue=99))

    return _create


@pytest.fixture
def claim(ledger):
    return lambda worker, job_id="job": ledger.run(moves.claim(job_id, worker=worker, delivery=worker)).job
