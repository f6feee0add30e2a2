"""A worker is told to shut down in the moment in which its child begins a job."""

import os
import subprocess
import sys

import pytest

from shared.queue import FINISH, send_finish, waiting_messages

# A finish worker whose parent gets SIGTERM when it has written a message to its child, which it counts.
TOLD = """
import collections, signal
from celery.concurrency import asynpool
from worker.finish import main

class WrittenTo(collections.Counter):
    def __setitem__(self, child, messages):
        super().__setitem__(child, messages)
        signal.raise_signal(signal.SIGTERM)

asynpool.Counter = WrittenTo
main.main()
"""


@pytest.fixture
def log(tmp_path):
    return tmp_path / "worker.log"


@pytest.fixture
def worker(valkey, log):
    env = {"REDIS_URL": valkey.url, "LOG_FORMAT": "json", "FINISH_CONCURRENCY": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-c", TOLD], env=os.environ | env, stdout=output, stderr=output)
        yield process
        process.kill()
        process.wait()


def test_it_does_not_wait_for_what_its_parent_has_forgotten(worker, log, celery_app, client):
    send_finish(celery_app, "unknown", "r")
    assert worker.wait(20) == 0, log.read_text()  # 32 s with billiard's own bound
    # Not acknowledged: it is delivered again.
    assert waiting_messages(client, FINISH) == 1
