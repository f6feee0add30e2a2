"""The ledger's scripts on a real server: every move from every state, fencing, repeats, memory."""

from itertools import product

import pytest
import redis

from shared.jobs import TRANSITIONS, Job, JobStatus, is_terminal
from shared.ledger import moves, reads
from shared.ledger.keys import DEADLINES, EVENTS, HELD, LEASES, QUEUED
from shared.ledger.replies import Hold, Outcome
from shared.ledger.run import Ledger
from shared.results import places

S = JobStatus
TTL = 60
MOVES = {
    "claim": (S.RUNNING, lambda i, a: moves.claim(i, worker="w", delivery=f"after-{a}")),
    "finish": (S.FINISHING, lambda i, a: moves.finish(i, a, width=1, height=1, model="m")),
    "succeed": (S.SUCCEEDED, lambda i, a: moves.succeed(i, a, images_ttl_seconds=1, ttl_seconds=TTL)),
    "fail": (S.FAILED, lambda i, a: moves.fail(i, code="c", message="m", ttl_seconds=TTL, attempt=a)),
    "cancel": (S.CANCELED, lambda i, a: moves.cancel(i, ttl_seconds=TTL, attempt=a)),
    "expire": (S.EXPIRED, lambda i, a: moves.expire(i, ttl_seconds=TTL, attempt=a)),
    "requeue": (S.QUEUED, moves.requeue),
}
PATHS = {
    S.QUEUED: [],
    S.RUNNING: ["claim"],
    S.FINISHING: ["claim", "finish"],
    S.SUCCEEDED: ["claim", "finish", "succeed"],
    S.FAILED: ["fail"],
    S.CANCELED: ["cancel"],
    S.EXPIRED: ["expire"],
}


def new_job(job_id="job", **changes):
    return Job(**{"id": job_id, "status": S.QUEUED, "prompt": "fox", "sizes": (64,), "seed": 1} | changes)


def create(ledger, job_id="job", **options):
    return ledger.run(moves.create(new_job(job_id), **{"max_queue": 100} | options))


def read(ledger, job_id="job"):
    return ledger.run(reads.job(job_id)).job


def bring_to(ledger, status, job_id="job"):
    create(ledger, job_id)
    for name in PATHS[status]:
        moved = ledger.run(MOVES[name][1](job_id, read(ledger, job_id).attempt))
        assert moved.outcome is Outcome.MOVED
    assert read(ledger, job_id).status is status


@pytest.mark.parametrize(("source", "name"), list(product(JobStatus, MOVES)))
def test_every_move_from_every_state(ledger, client, source, name):
    target, move = MOVES[name]
    bring_to(ledger, source)
    before, events = read(ledger), client.xlen(EVENTS)
    moved = ledger.run(move("job", before.attempt))
    after = read(ledger)
    if target in TRANSITIONS[source]:
        assert moved.outcome is Outcome.MOVED
        assert after.status is target
        assert client.xlen(EVENTS) == events + 1
        assert (client.zscore(QUEUED, "job") is not None) == (target is S.QUEUED)
        assert (client.zscore(LEASES, "job") is not None) == (target in (S.RUNNING, S.FINISHING))
        assert (client.ttl("logo:job:job") > 0) == is_terminal(target)
        assert (after.finished_at > 0) == is_terminal(target)
    else:
        assert moved.outcome is (Outcome.ALREADY if source is target and name != "claim" else Outcome.REFUSED)
        assert after == before
        assert client.xlen(EVENTS) == events


@pytest.mark.parametrize("name", ["finish", "succeed", "fail", "cancel", "expire", "requeue"])
@pytest.mark.parametrize("source", [S.RUNNING, S.FINISHING])
def test_a_worker_that_lost_its_lease_can_no_longer_write(ledger, source, name):
    bring_to(ledger, source)
    before = read(ledger)
    assert ledger.run(MOVES[name][1]("job", before.attempt - 1)).outcome is Outcome.REFUSED
    assert read(ledger) == before
    assert ledger.run(moves.renew("job", before.attempt - 1)) is Hold.LOST


def test_a_repeated_claim_is_the_same_claim_and_another_is_refused(ledger):
    create(ledger)
    first = ledger.run(moves.claim("job", worker="w", delivery="d1"))
    again = ledger.run(moves.claim("job", worker="w", delivery="d1"))
    assert (first.outcome, again.outcome) == (Outcome.MOVED, Outcome.ALREADY)
    assert first.job == again.job
    assert first.job.attempt == 1
    assert ledger.run(moves.claim("job", worker="v", delivery="d2")).outcome is Outcome.REFUSED


def claim_next(ledger, worker="w", delivery="d"):
    return ledger.run(moves.claim_next(worker=worker, delivery=delivery))


def test_the_ledger_says_which_job_is_next(ledger):
    for name in ("low-1", "normal-1", "high-1", "normal-2"):
        ledger.run(moves.create(new_job(name, priority=name.split("-")[0]), max_queue=9))
    ledger.run(moves.request_cancel("normal-1", ttl_seconds=TTL))
    claimed = [claim_next(ledger, delivery=str(number)) for number in range(4)]
    assert [moved.outcome for moved in claimed] == [Outcome.MOVED] * 3 + [Outcome.EMPTY]
    assert [moved.job and moved.job.id for moved in claimed] == ["high-1", "normal-2", "low-1", None]


def test_a_delivery_whose_reply_was_lost_claims_no_second_job(ledger):
    for name in ("a", "b", "c"):
        create(ledger, name)
    first = claim_next(ledger)
    assert claim_next(ledger, worker="v", delivery="e").job.id == "b"
    again = claim_next(ledger)
    assert (again.outcome, again.job) == (Outcome.ALREADY, first.job)
    assert read(ledger, "c").status is S.QUEUED
    # Once its lease was given away, the delivery holds nothing.
    ledger.run(moves.requeue("a", 1))
    ledger.run(moves.claim("a", worker="v", delivery="f"))
    assert claim_next(ledger).job.id == "c"


@pytest.mark.parametrize("name", ["finish", "fail", "cancel", "expire", "requeue"])
def test_a_worker_holds_the_job_that_it_draws(ledger, client, name):
    create(ledger)
    claim_next(ledger)
    assert ledger.run(reads.held("w")) == "job"
    ledger.run(MOVES[name][1]("job", 1))
    assert ledger.run(reads.held("w")) == ""
    assert not client.exists(HELD)


def test_a_worker_that_came_back_keeps_what_it_holds_now(ledger):
    for name in ("a", "b"):
        create(ledger, name)
    for delivery in ("d", "e"):
        claim_next(ledger, delivery=delivery)
    ledger.run(moves.requeue("a", 1))
    assert ledger.run(reads.held("w")) == "b"


def test_a_queued_job_whose_record_is_gone_holds_nobody_up(ledger, client):
    for name in ("a", "b"):
        create(ledger, name)
    client.delete("logo:job:a")
    assert claim_next(ledger).job.id == "b"
    assert client.zcard(QUEUED) == 0


def test_attempts_are_bounded(ledger):
    create(ledger)
    for attempt in (1, 2, 3):
        assert ledger.run(moves.claim("job", worker="w", delivery=str(attempt))).job.attempt == attempt
        assert ledger.run(moves.requeue("job", attempt)).outcome is Outcome.MOVED
    assert ledger.run(moves.claim("job", worker="w", delivery="4")).outcome is Outcome.EXHAUSTED
    exhausted = claim_next(ledger)
    assert (exhausted.outcome, exhausted.job.id) == (Outcome.EXHAUSTED, "job")
    assert read(ledger).status is S.QUEUED


def test_a_caller_cancels_at_once_or_asks_the_worker(ledger):
    for status, outcome in [
        (S.QUEUED, Outcome.MOVED),
        (S.RUNNING, Outcome.FLAGGED),
        (S.FINISHING, Outcome.MOVED),
        (S.SUCCEEDED, Outcome.REFUSED),
        (S.CANCELED, Outcome.ALREADY),
    ]:
        bring_to(ledger, status, job_id=status)
        assert ledger.run(moves.request_cancel(status, ttl_seconds=TTL)).outcome is outcome
    assert read(ledger, S.RUNNING).status is S.RUNNING
    assert ledger.run(moves.renew(S.RUNNING, 1)) is Hold.CANCEL


@pytest.mark.parametrize("end", [moves.cancel, moves.request_cancel, moves.expire])
def test_the_record_of_a_job_that_nobody_claimed_expires_early(ledger, client, end):
    for job_id in ("unclaimed", "short", "claimed", "delivered"):
        url = "https://example.com" if job_id == "delivered" else ""
        ledger.run(moves.create(new_job(job_id, webhook_url=url), max_queue=9))
    ledger.run(moves.claim("claimed", worker="w", delivery="d"))
    ledger.run(moves.requeue("claimed", 1))
    for job_id in ("unclaimed", "short", "claimed", "delivered"):
        ledger.run(end(job_id, ttl_seconds=TTL if job_id == "short" else 86400))
    kept = {job_id: client.ttl(f"logo:job:{job_id}") for job_id in ("unclaimed", "short", "claimed", "delivered")}
    early = moves.UNCLAIMED_TTL_SECONDS
    assert TTL - 9 <= kept["short"] <= TTL < early - 9 <= kept["unclaimed"] <= early
    # Receivers of webhooks are tried for most of a day.
    assert min(kept["claimed"], kept["delivered"]) >= 86400 - 9


def test_progress_and_deadline_come_with_the_lease(ledger, client):
    create(ledger, deadline_seconds=1000)
    ledger.run(moves.claim("job", worker="w", delivery="d"))
    assert ledger.run(moves.renew("job", 1, step=3, steps=28)) is Hold.HELD
    assert (read(ledger).step, read(ledger).steps) == (3, 28)
    client.hset("logo:job:job", "deadline_at", 1)
    client.zadd(DEADLINES, {"job": 1})
    assert ledger.run(moves.renew("job", 1)) is Hold.EXPIRED
    assert ledger.run(reads.passed_deadlines()) == ["job"]
    ledger.run(moves.expire("job", ttl_seconds=TTL))
    assert ledger.run(reads.passed_deadlines()) == []


def test_lost_leases_are_listed(ledger, client):
    bring_to(ledger, S.RUNNING)
    assert ledger.run(reads.lost_leases()) == []
    client.zadd(LEASES, {"job": 1})
    assert ledger.run(reads.lost_leases()) == ["job"]
    ledger.run(moves.renew("job", 1))
    assert ledger.run(reads.lost_leases()) == []


def test_leaving_finishing_frees_the_pixels(ledger, client):
    bring_to(ledger, S.FINISHING)
    client.set(places.pixels("job", 1).key, b"pixels")
    ledger.run(moves.refinish("job", 1, tries=1))
    assert client.exists(places.pixels("job", 1).key)
    ledger.run(MOVES["succeed"][1]("job", 1))
    assert not client.exists(places.pixels("job", 1).key)


@pytest.mark.parametrize("move", ["requeue", "fail", "cancel", "expire"])
def test_an_attempt_that_ends_otherwise_leaves_no_pixels(ledger, client, move):
    """The worker is killed after it has stored the pixels and before it hands them over."""
    bring_to(ledger, S.RUNNING)
    client.set(places.pixels("job", 1).key, b"pixels")
    assert ledger.run(MOVES[move][1]("job", 1)).outcome == "moved"
    assert not client.exists(places.pixels("job", 1).key)


def test_one_job_for_one_idempotency_key(ledger):
    key = {"idempotency_key": "k", "fingerprint": "f"}
    assert create(ledger, "a", **key).outcome == "created"
    replayed = create(ledger, "b", **key)
    assert (replayed.outcome, replayed.reading.job.id) == ("replayed", "a")
    assert create(ledger, "c", idempotency_key="k", fingerprint="other").outcome == "conflict"
    assert create(ledger, "a", **key).outcome == "created"  # the same create again, after a lost reply
    assert ledger.run(reads.job("b")) is None
    assert ledger.run(reads.backlog()).depth == 1


def test_the_queue_is_bounded_and_positions_count_from_one(ledger):
    assert [create(ledger, name, max_queue=2).outcome for name in "ab"] == ["created", "created"]
    full = create(ledger, "c", max_queue=2)
    assert (full.outcome, full.depth) == ("full", 2)
    assert [ledger.run(reads.job(name)).queue_position for name in "ab"] == [1, 2]


def test_at_maxmemory_nothing_is_created_and_everything_ends(ledger, client):
    bring_to(ledger, S.FINISHING, "finishing")
    bring_to(ledger, S.RUNNING, "running")
    client.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.OutOfMemoryError):
            create(ledger, "new")
        assert ledger.run(moves.renew("running", 1, step=1, steps=2)) is Hold.HELD
        assert ledger.run(MOVES["fail"][1]("running", 1)).outcome is Outcome.MOVED
        assert ledger.run(MOVES["succeed"][1]("finishing", 1)).outcome is Outcome.MOVED
    finally:
        client.config_set("maxmemory", 0)


def test_what_was_acknowledged_survives_a_kill(own_valkey):
    with own_valkey.client() as client:
        ledger = Ledger(client)
        bring_to(ledger, S.RUNNING)
        before = read(ledger)
    own_valkey.kill()
    own_valkey.start()
    with own_valkey.client() as client:
        assert read(Ledger(client)) == before


def test_an_unknown_job(ledger):
    assert ledger.run(reads.job("none")) is None
    assert ledger.run(moves.requeue("none", 1)).outcome is Outcome.MISSING
    assert ledger.run(moves.renew("none", 1)) is Hold.LOST


def test_scripts_that_the_server_forgets_again_and_again_are_no_error(ledger, monkeypatch):
    """The server may restart between any two commands, also between a SCRIPT LOAD and the call after it."""
    evalsha = ledger.client.evalsha

    def forgotten(*call):
        ledger.client.script_flush()
        return evalsha(*call)

    monkeypatch.setattr(ledger.client, "evalsha", forgotten)
    create(ledger)
    assert ledger.run(reads.job("job")).job.status is S.QUEUED
