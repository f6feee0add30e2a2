"""Celery's own worker with this project's configuration, as a process: what it refuses and what it survives."""

import contextlib
import json
import os
import subprocess
import sys
import time

import kombu
import pytest
import redis

from shared import queue
from shared.jobs import Priority
from shared.queue import FINISH, finish_message, generate_message, make_celery, send_finish, send_generate
from shared.schemas import MAX_IMAGES, MAX_SIZE, JobRequest

WORKER = """
import sys, redis
from shared.queue import make_celery
app = make_celery(sys.argv[1])
client = redis.Redis.from_url(sys.argv[1])
@app.task(name="finish")
def finish(job_id, version):
    client.rpush("ran", job_id)
app.worker_main(["worker", "--pool=solo", "--queues=finish", "--loglevel=info"])
"""


class Program:
    """An object whose pickle makes the file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.fixture
def client(own_valkey):
    with own_valkey.client() as client:
        yield client


@pytest.fixture
def app(own_valkey):
    app = make_celery(own_valkey.url)
    yield app
    app.close()


@pytest.fixture
def worker(own_valkey, tmp_path):
    with (tmp_path / "worker.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-c", WORKER, own_valkey.url], stdout=log, stderr=log)
        yield process
        process.kill()
        process.wait()


def test_a_pickled_message_is_refused_and_executes_nothing(app, own_valkey, worker, tmp_path):
    made = tmp_path / "made"
    app.send_task(FINISH, args=[Program(str(made))], queue=FINISH, serializer="pickle")
    send_finish(app, "next", "r")
    assert own_valkey.popped("ran") == b"next"
    assert not made.exists()
    assert "ContentDisallowed" in (tmp_path / "worker.log").read_text()


def test_a_worker_outlasts_a_full_redis_as_it_reconnects(app, own_valkey, client, worker):
    send_finish(app, "before", "r")
    assert own_valkey.popped("ran") == b"before"
    client.config_set("maxmemory", 1)
    client.config_resetstat()
    client.client_kill_filter(_type="normal", skipme=True)
    deadline = time.monotonic() + 60
    while "errorstat_OOM" not in client.info("errorstats"):
        assert time.monotonic() < deadline
        os.sched_yield()
    client.config_set("maxmemory", 0)
    send_finish(app, "after", "r")
    assert own_valkey.popped("ran") == b"after"
    assert worker.poll() is None


def test_the_hard_limit_is_above_the_slowest_job_that_is_accepted(app):
    """The estimate for an RTX 3060 (docs/decisions/0015-hard-limit.md)."""
    slowest, seconds = JobRequest(prompt="a red fox", sizes=[MAX_SIZE], num_images=MAX_IMAGES, steps=50), 27
    drawing = slowest.num_images * slowest.steps * seconds
    hand_over = 2 * queue.OUTAGE_BUDGET_SECONDS
    assert app.conf.task_time_limit > queue.ROOM_WAIT_SECONDS + drawing + hand_over
    assert app.conf.broker_transport_options["visibility_timeout"] > app.conf.task_time_limit


def test_a_reconnect_is_tried_each_second(app, monkeypatch):
    pauses = {}
    monkeypatch.setattr(kombu.Connection, "ensure_connection", lambda _self, **options: pauses.update(options))
    app.connection_for_read().ensure_connection()
    assert pauses == {"interval_start": 1, "interval_step": 0, "interval_max": 1}


def test_a_lost_connection_is_closed_with_a_message_in_hand(app, own_valkey):
    """The channel waits for the next message while another listens to a broadcast, as in a half busy finisher."""
    taken = []
    send_finish(app, "one", "r")
    connection = app.connection_for_read()
    connection.Consumer([app.amqp.queues[FINISH]], callbacks=[lambda _, message: taken.append(message)]).consume()
    connection.drain_events(timeout=60)
    connection.default_channel._brpop_start()
    broadcast = kombu.Queue("heard", kombu.Exchange("said", "fanout"), auto_delete=True)
    kombu.Consumer(connection.channel(), [broadcast]).consume()
    own_valkey.kill()
    # As Celery's consumer does.
    with contextlib.suppress(redis.ConnectionError):
        connection.collect()
    connection.close()
    assert [message.acknowledged for message in taken] == [False]


@pytest.mark.parametrize("priority", Priority)
def test_a_submits_message_is_as_celery_itself_sends_it(app, client, priority):
    """The script that creates a job pushes it, so no part of Celery sees it before a worker does."""
    where, text = generate_message(app, "job", "request", priority)
    send_generate(app, "job", "request", priority)
    assert_alike(client, where, text)


def test_a_drawings_message_is_as_celery_itself_sends_it(app, client):
    """The move of a job whose pixels are stored pushes it."""
    where, text = finish_message(app, "job", "request")
    send_finish(app, "job", "request")
    assert_alike(client, where, text)


def assert_alike(client, where, text):
    (sent,) = client.lrange(where, 0, -1)
    ours, celerys = json.loads(text), json.loads(sent)
    assert ours["properties"].pop("delivery_tag") != celerys["properties"].pop("delivery_tag")
    # Where an answer would go, which nobody sends.
    assert {ours["properties"].pop("reply_to"), bool(celerys["properties"].pop("reply_to"))} == {"", True}
    assert ours == celerys
