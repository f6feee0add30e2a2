"""The real generate worker behind the messages of jobs that ended before anybody claimed them."""

import contextlib
import json
import os
import subprocess
import sys
import time

import pytest

from shared.jobs import Job, JobStatus, Priority
from shared.ledger import moves, reads
from shared.queue import GENERATE, send_generate, waiting_messages

CANCELED = 2000
# Notes for each drawing its seed, and how many messages wait meanwhile.
WORKER = """
import os
import redis
from shared.queue import waiting_messages
from tests import stub_worker

def generate(drawing, on_step):
    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    client.rpush("drawn", drawing.seeds[0], waiting_messages(client, "generate"))
    return stub_worker.blank(drawing, on_step)

stub_worker.run(generate)
"""


@pytest.fixture
def start(valkey, tmp_path):
    """Starts the worker; returns its log."""
    with contextlib.ExitStack() as stack:

        def _start():
            log = tmp_path / "worker.log"
            output = stack.enter_context(log.open("wb"))
            env = {"REDIS_URL": valkey.url, "LOG_FORMAT": "json", "TORCH_DEVICE": "cpu"}
            process = subprocess.Popen(
                [sys.executable, "-c", WORKER], env=os.environ | env, stdout=output, stderr=output
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            return log

        yield _start


def create(ledger, job_id, **options):
    job = Job(id=job_id, status=JobStatus.QUEUED, prompt="fox", sizes=(64,), **options)
    assert ledger.run(moves.create(job, max_queue=9, max_own=2)).outcome == "created"


def test_canceled_jobs_cost_no_other_tenants_place(ledger, celery_app, client, start):
    for number in range(CANCELED):
        create(ledger, f"job-{number}", seed=1, owner="heavy", priority=Priority.HIGH)
        ledger.run(moves.request_cancel(f"job-{number}", ttl_seconds=60))
    send_generate(celery_app, "job-0", "r", Priority.HIGH)
    # Copies, because Celery takes a minute for so many on a busy machine.
    client.lpush(GENERATE, *client.lrange(GENERATE, 0, -1) * (CANCELED - 1))
    create(ledger, "light", seed=2, owner="light")
    send_generate(celery_app, "light", "r")
    assert ledger.run(reads.job("light")).queue_position == 1
    assert waiting_messages(client, GENERATE) == CANCELED + 1
    log = start()
    deadline = time.monotonic() + 50
    while ledger.run(reads.job("light")).job.status is not JobStatus.FINISHING:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
    seed, waiting = map(int, client.lrange("drawn", 0, -1))
    assert seed == 2
    assert waiting >= CANCELED - 5
    # Its lines name the job that was drawn, not the one that the message was sent for.
    claimed = [json.loads(line) for line in log.read_text().splitlines() if '"job.claimed"' in line]
    assert [line["job_id"] for line in claimed] == ["light"]
