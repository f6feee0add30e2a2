"""The consumer watchdog ends a worker that has stopped consuming, and no other."""

import os
import subprocess
import sys

import pytest
from celery.worker import state

from shared.connection import patient_client
from shared.ledger import counters, keys
from shared.queue import FINISH, make_celery, send_finish, waiting_messages
from worker.consumer_watchdog import CHECKS, ConsumerWatchdog

# A finish worker whose parent takes one message and then never asks Redis for another.
STOPS_CONSUMING = """
from kombu.transport.redis import Channel
from worker import consumer_watchdog
from worker.finish import main
consumer_watchdog.CHECK_SECONDS = 0.05
ask, read = Channel._brpop_start, Channel._brpop_read
taken = []
def read_once(self, **options):
    taken.append(read(self, **options))
    return True
def ask_until_then(self, *args):
    if not taken:
        ask(self, *args)
Channel._brpop_read, Channel._brpop_start = read_once, ask_until_then
main.main()
"""

# A finish worker whose thread holds a lock from its start.
HOLDS_A_LOCK = """
import os, redis, threading
from celery import signals
from worker.consumer_watchdog import ConsumerWatchdog
from worker.finish import main
lock = threading.Lock()
ConsumerWatchdog.run = lambda self: lock.acquire()
@signals.worker_process_init.connect(weak=False)
def tell(**_):
    redis.Redis.from_url(os.environ["REDIS_URL"]).rpush("forked", "held" if lock.locked() else "free")
main.main()
"""


@pytest.fixture
def client(own_valkey):
    client = patient_client(own_valkey.url, outage_seconds=0)
    yield client
    client.close()


@pytest.fixture
def app(own_valkey):
    app = make_celery(own_valkey.url)
    yield app
    app.close()


def check(watch, times):
    return [watch.check() for _ in range(times)]


def test_its_thread_starts_after_the_children(own_valkey):
    env = {"REDIS_URL": own_valkey.url, "FINISH_CONCURRENCY": "1"}
    with subprocess.Popen([sys.executable, "-c", HOLDS_A_LOCK], env=os.environ | env) as process:
        try:
            assert own_valkey.popped("forked") == b"free"
        finally:
            process.kill()


def test_no_thread_imports_at_its_first_connection():
    """A child that is forked during another thread's import waits forever when it imports the same module."""
    code = "import sys, shared.connection; sys.exit('encodings.idna' not in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_worker_that_takes_no_messages_is_ended(own_valkey, client, app, tmp_path):
    send_finish(app, "unknown-1", "r")
    send_finish(app, "unknown-2", "r")
    log = tmp_path / "worker.log"
    with log.open("wb") as output:
        done = subprocess.run(
            [sys.executable, "-c", STOPS_CONSUMING],
            env=os.environ | {"REDIS_URL": own_valkey.url, "LOG_FORMAT": "json"},
            stdout=output,
            stderr=output,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1, log.read_text()
    assert '"event": "worker.deaf"' in log.read_text()
    assert counters.parse(client.hgetall(keys.COUNTERS)) == {counters.DEAF: 1}
    assert waiting_messages(client, FINISH) == 1


def test_only_after_many_checks_that_found_messages(client, app):
    watch = ConsumerWatchdog(client, FINISH)
    assert check(watch, 2 * CHECKS) == [False] * 2 * CHECKS
    send_finish(app, "a", "r")
    assert check(watch, CHECKS) == [False] * (CHECKS - 1) + [True]


def test_not_while_it_begins_jobs(client, app, monkeypatch):
    send_finish(app, "a", "r")
    watch = ConsumerWatchdog(client, FINISH)
    assert not any(check(watch, CHECKS - 1))
    monkeypatch.setattr(state, "all_total_count", [state.all_total_count[0] + 1])
    assert check(watch, CHECKS) == [False] * CHECKS


def test_not_with_a_job_in_hand(client, app, monkeypatch):
    send_finish(app, "a", "r")
    monkeypatch.setattr(state, "active_requests", {"a request"})
    assert not any(check(ConsumerWatchdog(client, FINISH), 2 * CHECKS))


def test_not_while_its_model_loads(client, app):
    send_finish(app, "a", "r")
    assert not any(check(ConsumerWatchdog(client, FINISH, lambda: False), 2 * CHECKS))


def test_not_while_redis_is_full_or_away(own_valkey, client, app):
    send_finish(app, "a", "r")
    watch = ConsumerWatchdog(client, FINISH)
    client.config_set("maxmemory", 1)
    assert not any(check(watch, 2 * CHECKS))
    client.config_set("maxmemory", 0)
    own_valkey.kill()
    assert not any(check(watch, 2 * CHECKS))
