"""The real generate worker with a model that hangs: Celery's hard limit ends its child, and the job is drawn again."""

import os
import subprocess
import sys
import time

import pytest

from shared.jobs import Job, JobStatus
from shared.ledger import moves, reads
from shared.queue import send_generate

HANGS_ONCE = """
import os, time
import redis
from shared import queue
queue.HARD_LIMIT_SECONDS = 1
from tests import stub_worker

def generate(drawing, on_step):
    if redis.Redis.from_url(os.environ["REDIS_URL"]).incr("drawings") == 1:
        time.sleep(3600)
    return stub_worker.blank(drawing, on_step)

stub_worker.run(generate)
"""


@pytest.fixture
def log(valkey, tmp_path):
    """The log of a running worker."""
    log = tmp_path / "worker.log"
    env = {"REDIS_URL": valkey.url, "LOG_FORMAT": "json", "TORCH_DEVICE": "cpu"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", HANGS_ONCE], env=os.environ | env, stdout=output, stderr=output
        )
        yield log
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait()


def test_a_hung_child_is_replaced_and_its_attempt_counts(log, ledger, celery_app, client):
    ledger.run(moves.create(Job(id="job", status=JobStatus.QUEUED, prompt="fox", sizes=(64,), seed=3), max_queue=9))
    send_generate(celery_app, "job", "r")
    deadline = time.monotonic() + 50
    while (job := ledger.run(reads.job("job")).job).status is not JobStatus.FINISHING:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
    assert (job.attempt, client.get("drawings")) == (2, b"2")
    assert '"cause": "TimeLimitExceeded"' in log.read_text()
