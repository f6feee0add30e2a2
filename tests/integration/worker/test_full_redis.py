"""Redis at its maxmemory: no drawing is lost, no attempt burnt, and drawing goes on as soon as there is room."""

import contextlib
import threading
import time

import pytest
import redis
from kombu.exceptions import OperationalError

from shared.jobs import Job, JobStatus
from shared.ledger import counters, keys, moves, reads, room
from shared.ledger.keys import LEASES
from shared.ledger.replies import Outcome
from shared.queue import FINISH, GENERATE, waiting_job_ids
from shared.results import places
from shared.results.places import WHOLE
from shared.results.redis_store import RedisResults
from tests.integration.worker.conftest import FakeModel
from worker.generate import generator
from worker.generate.generator import Generator
from worker.sweeping import Sweeper

S = JobStatus
MIB = 2**20
TTL = 3600


@pytest.fixture
def leave(client):
    """Sets maxmemory so that so many bytes are free, the margin for messages not counted."""

    def _leave(free):
        client.config_set("maxmemory", round((client.info("memory")["used_memory"] + free) / 0.98))

    yield _leave
    client.config_set("maxmemory", 0)


@pytest.fixture
def large(ledger):
    """Creates a job whose result needs 14 MB."""

    def _large(job_id):
        job = Job(id=job_id, status=S.QUEUED, prompt="fox", sizes=(1024,), seed=3)
        ledger.run(moves.create(job, max_queue=99))
        return room.pixels_bytes(job) + room.images_bytes(job)

    return _large


@pytest.fixture
def take(ledger):
    return lambda job_id: ledger.run(moves.claim(job_id, worker="w", delivery=job_id)).outcome


def drop_messages(client, queue):
    for key in client.keys(f"{queue}*"):
        client.delete(key)


def test_while_no_message_can_be_sent_a_drawing_keeps_its_tries_and_its_pixels(job, draw, sweeper, client):
    draw(FakeModel())
    drop_messages(client, FINISH)
    for _ in range(5):
        client.config_set("maxmemory", 0)
        client.zadd(LEASES, {"job": 1})
        client.config_set("maxmemory", 1)
        sweeper.recover_lost()
    assert (job().status, job().attempt, job().finish_tries) == (S.FINISHING, 1, 0)
    client.config_set("maxmemory", 0)
    # The first sweep with room sends the message.
    sweeper.recover_lost()
    assert (job().status, job().finish_tries) == (S.FINISHING, 1)
    assert waiting_job_ids(client, FINISH) == {"job"}
    assert client.exists(places.pixels("job", 1).key)


def test_a_finish_try_counts_once_its_message_is_out(job, draw, recovery, client):
    draw(FakeModel())
    client.config_set("maxmemory", 1)
    for _ in range(4):
        with pytest.raises(OperationalError):
            recovery.recover(job(), "lease_lost")
    assert (job().status, job().finish_tries) == (S.FINISHING, 0)
    assert int(client.hget(keys.COUNTERS, counters.recovered("lease_lost", S.FINISHING)) or 0) == 0


def test_what_is_counted_at_maxmemory_is_counted(client):
    client.config_set("maxmemory", 1)
    counters.count(client, counters.DEAF)
    assert client.hget(keys.COUNTERS, counters.DEAF) == b"1"


def test_a_job_is_claimed_only_while_there_is_room_for_its_result(large, take, read, leave):
    needed = large("job")
    leave(needed - MIB)
    assert take("job") is Outcome.NO_ROOM
    assert (read().status, read().attempt) == (S.QUEUED, 0)
    leave(needed + MIB)
    assert take("job") is Outcome.MOVED


def test_the_room_of_a_held_job_is_reserved_until_it_is_given_back(large, take, leave, ledger):
    needed = large("a")
    large("b")
    leave(needed * 1.5)
    assert take("a") is Outcome.MOVED
    assert take("b") is Outcome.NO_ROOM
    ledger.run(moves.requeue("a", 1))
    assert take("b") is Outcome.MOVED


def test_while_no_finisher_runs_drawing_waits_and_each_drawing_can_be_finished(large, take, leave, ledger, client):
    results = RedisResults(client)
    asked, drawn = [f"job-{number}" for number in range(20)], []
    for job_id in asked:
        large(job_id)
    leave(60 * MIB)
    for job_id in asked:
        if take(job_id) is Outcome.NO_ROOM:
            break
        results.put(places.pixels(job_id, 1), {WHOLE: bytes(1024 * 1024 * 3)}, TTL)
        ledger.run(moves.finish(job_id, 1, width=1024, height=1024, model="m"))
        drawn.append(job_id)
    assert 3 <= len(drawn) < 20
    for job_id in drawn:
        # Of noise, which does not compress.
        results.put(places.images(job_id, 1), {"1024": "A" * (1024 * 1024 * 4)}, TTL)
        ledger.run(moves.succeed(job_id, 1, images_ttl_seconds=TTL, ttl_seconds=TTL))
        assert ledger.run(reads.job(job_id)).job.status is S.SUCCEEDED
    assert client.hlen(keys.RESERVED) == 0


@pytest.fixture
def waiting(large, leave, ledger, celery_app, settings, client, monkeypatch):
    """A worker that waits for room for the job: its generator and its thread."""
    monkeypatch.setattr(generator, "ROOM_CHECK_SECONDS", 0.02)
    leave(large("job") - MIB)
    model = FakeModel()
    worker = Generator("w", model, ledger, ledger, RedisResults(client), celery_app, settings)
    thread = threading.Thread(target=worker.generate, args=("job",), daemon=True)
    begun = threading.Event()
    seen = generator.log.warning
    monkeypatch.setattr(generator.log, "warning", lambda *a, **k: (seen(*a, **k), begun.set()))
    thread.start()
    assert begun.wait(10)
    return worker, thread, model


def test_a_worker_waits_for_room_and_draws_as_soon_as_there_is_some(waiting, read, client):
    worker, thread, model = waiting
    assert (read().status, read().attempt, model.drawings) == (S.QUEUED, 0, [])
    client.config_set("maxmemory", 0)
    thread.join(10)
    assert (read().status, read().attempt) == (S.FINISHING, 1)
    assert not worker.waits_for_room


def test_a_job_that_is_canceled_while_a_worker_waits_for_its_room_ends_the_wait(waiting, read, ledger):
    _, thread, model = waiting
    ledger.run(moves.request_cancel("job", ttl_seconds=TTL))
    thread.join(10)
    assert (thread.is_alive(), read().status, model.drawings) == (False, S.CANCELED, [])


def test_a_worker_that_is_told_to_shut_down_waits_no_longer(waiting, read, monkeypatch):
    _, thread, _ = waiting
    monkeypatch.setattr("worker.generate.readiness.ending", lambda: True)
    thread.join(10)
    assert (thread.is_alive(), read().status, read().attempt) == (False, S.QUEUED, 0)


def test_the_message_that_a_waiting_worker_holds_is_not_sent_again(waiting, sweeper, client):
    _, thread, _ = waiting
    for _ in range(4):
        sweeper.publish_missing()
    assert client.keys("generate*") == []
    client.config_set("maxmemory", 0)
    thread.join(10)


@pytest.fixture
def refused(job, ledger, celery_app, settings, client, monkeypatch):
    """A worker whose pixels Redis refuses, for longer than a step may last: its thread."""
    monkeypatch.setattr(generator, "ROOM_CHECK_SECONDS", 0.02)
    monkeypatch.setattr("worker.lease.RENEW_SECONDS", 0.02)
    kills = []
    monkeypatch.setattr("worker.lease.os.kill", lambda *arguments: kills.append(arguments))
    settings = settings.model_copy(update={"stall_seconds": 0.01})
    model = FakeModel(lambda _: client.config_set("maxmemory", 1))
    worker = Generator("w", model, ledger, ledger, RedisResults(client), celery_app, settings)

    def draw():
        with contextlib.suppress(redis.exceptions.OutOfMemoryError):
            worker.generate("job")

    refusals = threading.Semaphore(0)
    seen = generator.log.warning
    monkeypatch.setattr(generator.log, "warning", lambda *a, **k: (seen(*a, **k), refusals.release()))
    thread = threading.Thread(target=draw, daemon=True)
    thread.start()
    assert all(refusals.acquire(timeout=10) for _ in range(3))
    # The model's steps may have lasted longer than that, too. Before the third renewal the lease has looked twice.
    kills.clear()
    for _ in range(3):
        before, deadline = client.zscore(LEASES, "job"), time.monotonic() + 10
        while client.zscore(LEASES, "job") == before:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert kills == []
    return thread


def test_a_drawing_waits_until_redis_takes_its_pixels(refused, job, client):
    client.config_set("maxmemory", 0)
    refused.join(10)
    assert (job().status, job().attempt) == (S.FINISHING, 1)
    assert client.exists(places.pixels("job", 1).key)


def test_a_drawing_whose_pixels_are_refused_can_be_canceled(refused, job, ledger):
    ledger.run(moves.request_cancel("job", ttl_seconds=TTL))
    refused.join(10)
    assert (refused.is_alive(), job().status) == (False, S.CANCELED)


def test_a_message_that_was_lost_in_a_full_redis_is_sent_by_the_first_check_with_room(large, leave, sweeper, client):
    leave(large("job") - MIB)
    sweeper.publish_missing()
    client.config_set("maxmemory", 0)
    sweeper.publish_missing()
    assert waiting_job_ids(client, GENERATE) == {"job"}


@pytest.fixture
def kept(large, take, ledger, client):
    """Four jobs with images of 8 MiB each, the oldest first; and one whose pixels are stored."""
    results, names = RedisResults(client), ["a", "b", "c", "d"]
    for number, job_id in enumerate([*names, "drawn"]):
        large(job_id)
        take(job_id)
        results.put(places.pixels(job_id, 1), {WHOLE: bytes(3 * MIB)}, TTL)
        ledger.run(moves.finish(job_id, 1, width=1024, height=1024, model="m"))
        if job_id in names:
            results.put(places.images(job_id, 1), {"1024": "A" * (8 * MIB)}, TTL)
            ledger.run(moves.succeed(job_id, 1, images_ttl_seconds=TTL + number, ttl_seconds=TTL))
    return lambda: [name for name in names if results.exists(places.images(name, 1))]


def test_the_oldest_images_are_given_up_before_drawing_waits(kept, large, take, leave, sweeper, read, client):
    needed = large("next")
    # A quarter of maxmemory is wanted at most, which is less than the next job needs.
    leave(needed - MIB)
    assert take("next") is Outcome.NO_ROOM
    sweeper.sweep()
    left = kept()
    assert left in (["b", "c", "d"], ["c", "d"], ["d"])
    assert take("next") is Outcome.MOVED
    assert read("a").status is S.SUCCEEDED
    assert read("a").images_expire_at < read("d").images_expire_at - TTL * 900
    assert client.exists(places.pixels("drawn", 1).key)
    assert int(client.hget(keys.COUNTERS, counters.IMAGES_GIVEN_UP)) == 4 - len(left)


def test_images_are_kept_where_the_setting_says_so(kept, large, take, leave, ledger, celery_app, client):
    leave(large("next") - MIB)
    Sweeper(ledger, RedisResults(client), celery_app, 60, evict_images=False).sweep()
    assert (len(kept()), take("next")) == (4, Outcome.NO_ROOM)


def test_images_are_kept_where_to_give_them_up_would_not_help(kept, sweeper, client):
    client.config_set("maxmemory", 1)
    sweeper.make_room()
    assert len(kept()) == 4


def test_images_are_kept_while_there_is_room(kept, large, leave, sweeper):
    large("next")
    leave(room.LARGEST_BYTES + MIB)
    sweeper.sweep()
    assert len(kept()) == 4
