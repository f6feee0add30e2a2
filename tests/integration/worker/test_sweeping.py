"""What a sweep does on a real server: lost leases, jobs without a message, passed deadlines, unreadable records."""

import pytest

from shared.jobs import JobStatus
from shared.ledger import moves, wakeups
from shared.ledger.keys import DEADLINES, LEASES
from shared.queue import (
    GENERATE,
    lists_of,
    send_generate,
    waiting_job_ids,
    waiting_messages_of,
)
from shared.results import places
from shared.results.places import WHOLE
from shared.results.redis_store import RedisResults
from tests.integration.worker.conftest import FakeModel
from worker.sweeping import Sweeper

S = JobStatus


def test_a_lost_lease_is_drawn_elsewhere(job, ledger, sweeper, client):
    ledger.run(moves.claim("job", worker="dead", delivery="d"))
    sweeper.sweep()
    assert job().status is S.RUNNING
    client.zadd(LEASES, {"job": 1})
    sweeper.sweep(leases=False)
    assert job().status is S.RUNNING
    sweeper.sweep()
    assert (job().status, job().attempt) == (S.QUEUED, 1)
    assert waiting_job_ids(client, GENERATE) == {"job"}


def test_a_job_keeps_its_priority_when_it_is_published_again(job, ledger, sweeper, client):
    client.hset("logo:job:job", "priority", "high")
    ledger.run(moves.claim("job", worker="dead", delivery="d"))
    client.zadd(LEASES, {"job": 1})
    sweeper.sweep()
    # kombu keeps the highest priority, 0, in the list with the queue's plain name.
    assert client.llen(GENERATE) == 1


def test_a_lost_lease_of_the_third_attempt_is_poison(job, ledger, sweeper, client):
    for attempt in (1, 2, 3):
        ledger.run(moves.claim("job", worker="dead", delivery=str(attempt)))
        client.zadd(LEASES, {"job": 1})
        sweeper.sweep()
    assert (job().status, job().error_code, job().attempt) == (S.FAILED, "poison", 3)


def test_a_lost_lease_of_a_canceled_job(job, ledger, sweeper, client):
    ledger.run(moves.claim("job", worker="dead", delivery="d"))
    ledger.run(moves.request_cancel("job", ttl_seconds=60))
    client.zadd(LEASES, {"job": 1})
    sweeper.sweep()
    assert job().status is S.CANCELED


def test_a_job_that_waits_for_a_finisher_is_left_alone(job, draw, sweeper, client):
    draw(FakeModel())
    client.zadd(LEASES, {"job": 1})
    sweeper.sweep()
    assert (job().status, job().finish_tries) == (S.FINISHING, 0)
    assert client.zscore(LEASES, "job") > 1
    assert sum(client.llen(key) for key in client.keys("finish*")) == 1


def test_a_finisher_that_died_is_replaced_and_given_up_in_the_end(job, draw, sweeper, client):
    draw(FakeModel())
    for tries in (1, 2, 3):
        for key in client.keys("finish*"):
            client.delete(key)
        client.zadd(LEASES, {"job": 1})
        sweeper.sweep()
        assert (job().status, job().finish_tries) == (S.FINISHING, tries)
    for key in client.keys("finish*"):
        client.delete(key)
    client.zadd(LEASES, {"job": 1})
    sweeper.sweep()
    assert (job().status, job().finish_tries) == (S.QUEUED, 0)


def test_a_queued_job_without_a_message_gets_one(job, sweeper, client):
    sweeper.publish_missing()
    assert waiting_job_ids(client, GENERATE) == set()
    sweeper.publish_missing()
    assert waiting_job_ids(client, GENERATE) == {"job"}
    for _ in range(4):
        sweeper.publish_missing()
    assert sum(client.llen(key) for key in client.keys("generate*")) == 1


def test_a_queued_job_with_its_message_is_left_alone(job, sweeper, celery_app, client):
    send_generate(celery_app, "job", "r")
    for _ in range(4):
        sweeper.publish_missing()
    assert sum(client.llen(key) for key in client.keys("generate*")) == 1


def test_as_many_messages_as_queued_jobs_are_enough_whatever_jobs_they_name(create, sweeper, celery_app, client):
    """A message makes a worker draw the job that is next, so that one of a job that has ended serves another."""
    for job_id in ("a", "b", "c"):
        create(job_id)
    for job_id in ("a", "ended"):
        send_generate(celery_app, job_id, "r")
    for _ in range(4):
        sweeper.publish_missing()
    assert waiting_messages_of(client, GENERATE) == {"a": 1, "ended": 1, "b": 1}


def test_the_messages_of_ended_jobs_are_bounded_and_as_many_as_jobs_are_left(create, sweeper, celery_app, client):
    for job_id in ("a", "b", "c"):
        create(job_id)
    send_generate(celery_app, "ended", "r")
    message = next(filter(None, (client.lindex(name, 0) for name in lists_of(GENERATE))))
    for name in lists_of(GENERATE):
        client.lpush(name, *[message] * 500)
    for _ in range(4):
        sweeper.publish_missing()
        assert waiting_messages_of(client, GENERATE) == {"ended": wakeups.BESIDE + 3 * wakeups.PER_JOB}


def test_a_few_messages_of_ended_jobs_are_left_to_the_workers(create, sweeper, client):
    create()
    messages = [b"of an ended job"] * (wakeups.BESIDE + wakeups.PER_JOB)
    client.lpush(GENERATE, *messages)
    sweeper.publish_missing()
    assert client.lrange(GENERATE, 0, -1) == messages


def test_a_passed_deadline_expires(job, sweeper, client):
    client.zadd(DEADLINES, {"job": 1})
    sweeper.sweep()
    assert job().status is S.EXPIRED
    assert client.zcard(DEADLINES) == 0


@pytest.mark.parametrize("state", ["running", "last attempt", "canceled", "finishing"])
def test_a_lease_that_was_renewed_after_the_sweeper_had_looked_is_kept(
    state, create, claim, read, ledger, celery_app, client, monkeypatch
):
    create()
    if state == "last attempt":
        for attempt in (1, 2):
            claim(f"w{attempt}")
            ledger.run(moves.requeue("job", attempt))
    attempt = claim("slow").attempt
    if state == "canceled":
        ledger.run(moves.request_cancel("job", ttl_seconds=60))
    if state == "finishing":
        RedisResults(client).put(places.pixels("job", 1), {WHOLE: b"pixels"}, 60)
        ledger.run(moves.finish("job", 1, width=8, height=8, model="m"))
    client.zadd(LEASES, {"job": 1})
    looked = Sweeper._jobs_of

    def look_and_pause(self, job_ids):
        jobs = looked(self, job_ids)
        ledger.run(moves.renew("job", attempt))
        return jobs

    before = read()
    with monkeypatch.context() as patch:
        patch.setattr(Sweeper, "_jobs_of", look_and_pause)
        Sweeper(ledger, RedisResults(ledger.client), celery_app, 60).recover_lost()
    assert read() == before
    assert client.zscore(LEASES, "job") > 1
    client.zadd(LEASES, {"job": 1})
    Sweeper(ledger, RedisResults(ledger.client), celery_app, 60).recover_lost()
    assert read() != before


def test_what_cannot_be_read_holds_nothing_up(create, claim, read, ledger, celery_app, client):
    """Here records and messages are of a later version."""
    for job_id in ("a", "b", "c", "d"):
        create(job_id)
    claim("dead", "a")
    claim("dead", "c")
    client.zadd(LEASES, {"a": 1, "c": 2})
    client.hset("logo:job:a", "status", "of the next version")
    client.hdel("logo:job:b", "prompt")
    client.lpush(GENERATE, b'{"body": "e30="}', b"no message")
    swept = Sweeper(ledger, RedisResults(ledger.client), celery_app, 60)
    swept.sweep()
    assert read("c").status is S.QUEUED
    swept.publish_missing()
    assert waiting_job_ids(client, GENERATE) == {"c", "d"}
