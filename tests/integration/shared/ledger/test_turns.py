"""Fair shares: whose job is claimed next, and that positions, lists and counts follow."""

import collections

import pytest

from shared.jobs import Job, JobStatus, Priority
from shared.ledger import keys, moves, reads, wakeups
from shared.ledger.outlook import outlook
from shared.ledger.room import room

S = JobStatus


@pytest.fixture(autouse=True)
def _without_waiting_for_the_disk(client):
    client.config_set("appendfsync", "no")
    yield
    client.config_set("appendfsync", "always")


@pytest.fixture
def create(ledger):
    def _create(owner, count=1, *, priority=Priority.NORMAL, weight=1, first=0):
        ids = [f"{owner}-{priority}-{number}" for number in range(first, first + count)]
        for job_id in ids:
            job = Job(id=job_id, status=S.QUEUED, prompt="fox", sizes=(64,), seed=1, owner=owner, priority=priority)
            assert ledger.run(moves.create(job, max_queue=9999, weight=weight)).outcome == "created"
        return ids

    return _create


@pytest.fixture
def claim(ledger):
    numbers = iter(range(10**6))
    return lambda: ledger.run(moves.claim_next(worker="w", delivery=f"d{next(numbers)}")).job


@pytest.fixture
def spend(ledger, client):
    """Ends the drawing of a running job as if it had taken `seconds`."""

    def _spend(job, seconds, end=None):
        client.hincrby(keys.job(job.id), "started_at", -round(seconds * 1000))
        end = end or moves.finish(job.id, job.attempt, width=64, height=64, model="m", steps=1)
        assert ledger.run(end).outcome.holds

    return _spend


@pytest.fixture
def draw(claim, spend):
    """Claims and draws so many jobs, one after another; returns their owners. `seconds`: of each drawing, by owner."""

    def _draw(count, seconds=()):
        owners = []
        for _ in range(count):
            job = claim()
            spend(job, dict(seconds).get(job.owner, 2))
            owners.append(job.owner)
        return owners

    return _draw


def order(ledger):
    return ledger.run(reads.queued())


def test_two_jobs_do_not_wait_for_two_hundred(create, draw, ledger):
    create("greedy", 200)
    draw(20)
    last = create("light", 2)[-1]
    assert ledger.run(reads.job(last)).queue_position <= 4
    assert draw(4).count("light") == 2


def test_alone_a_key_gets_everything_and_owes_nothing_for_it(create, draw):
    create("greedy", 100)
    assert draw(50) == ["greedy"] * 50
    create("light", 30)
    shares = collections.Counter(draw(40))
    assert abs(shares["greedy"] - shares["light"]) <= 2


def test_the_cards_are_shared_by_seconds_and_not_by_jobs(create, draw):
    create("long", 100)
    create("short", 100)
    draw(10, {"long": 8, "short": 2})  # what each costs is known from here on
    shares = collections.Counter(draw(50, {"long": 8, "short": 2}))
    assert shares["short"] == pytest.approx(40, abs=2)


@pytest.mark.parametrize("weight", [0.5, 3])
def test_a_weight_multiplies_the_share(create, draw, weight):
    create("heavy", 100, weight=weight)
    create("plain", 100)
    draw(4)
    shares = collections.Counter(draw(60))
    assert shares["heavy"] / shares["plain"] == pytest.approx(weight, rel=0.15)


def test_who_asked_for_nothing_has_saved_nothing(create, draw):
    create("idle")
    draw(1)
    create("busy", 100)
    draw(50)
    create("idle", 50, first=1)
    shares = collections.Counter(draw(20))
    assert abs(shares["idle"] - shares["busy"]) <= 2


def test_priority_comes_before_fairness(create, draw, claim):
    create("greedy", 5, priority=Priority.HIGH)
    create("light")
    assert draw(5) == ["greedy"] * 5
    create("greedy", 2, priority=Priority.LOW)
    assert claim().owner == "light"


def test_a_wait_behind_a_higher_priority_is_made_up_for_within_bounds(create, draw):
    """Who waited has a claim on minutes of the cards at most, else it would shut out who comes now."""
    create("waits", 300, priority=Priority.LOW)
    create("other", 1, priority=Priority.LOW)
    create("urgent", 100, priority=Priority.HIGH)
    draw(100, {"urgent": 100})  # 10,000 s, for which the two have waited
    create("urgent", 300, priority=Priority.LOW, first=100)
    drawn = draw(100, dict.fromkeys(("waits", "other", "urgent"), 10))
    assert drawn[:2] == ["waits", "other"]
    assert 30 <= drawn.index("urgent") <= 45  # 300 s


def test_what_is_canceled_in_the_queue_costs_nothing(create, draw, ledger):
    for job_id in create("fickle", 100):
        ledger.run(moves.request_cancel(job_id, ttl_seconds=60))
    create("steady", 50)
    create("fickle", 50, first=100)
    shares = collections.Counter(draw(20))
    assert shares["fickle"] == shares["steady"]


@pytest.mark.parametrize(
    ("end", "seconds", "owed"),
    [
        ("cancel", 4, 4),
        ("fail", 4, 4),
        ("requeue", 4, 0),  # its worker was lost, not by its owner
        ("lost", 4, 0),
    ],
)
def test_a_drawing_costs_what_it_took(create, claim, spend, client, end, seconds, owed):
    create("key")
    job = claim()
    moved = {
        "cancel": moves.cancel(job.id, ttl_seconds=60, attempt=1),
        "fail": moves.fail(job.id, code="generation_failed", message="m", ttl_seconds=60, attempt=1),
        "requeue": moves.requeue(job.id, 1, reason="lease_lost"),
        "lost": moves.fail(job.id, code="poison", message="m", ttl_seconds=60, attempt=1, reason="child_died"),
    }[end]
    spend(job, seconds, moved)
    assert float(client.hget(keys.SHARES, "served:key")) == pytest.approx(owed, abs=1)
    assert int(client.hget(keys.job(job.id), "denoise_ms")) == pytest.approx(owed * 1000, abs=1000)


def test_several_workers_do_not_all_draw_for_one(create, claim):
    create("greedy", 10)
    create("light", 2)
    assert collections.Counter(claim().owner for _ in range(4)) == {"greedy": 2, "light": 2}


def test_one_that_is_drawn_again_has_its_place_back(create, claim, ledger):
    create("a", 2)
    create("b", 2)
    job = claim()
    ledger.run(moves.requeue(job.id, 1, reason="lease_lost"))
    assert claim().id == job.id


def test_the_order_that_is_told_is_the_order_of_the_claims(create, draw, claim, ledger):
    create("a", 7)
    create("b", 3, weight=2)
    create("c", 5)
    create("b", 2, priority=Priority.LOW, weight=2)
    create("c", 1, priority=Priority.HIGH)
    draw(3, {"a": 1, "b": 5, "c": 3})
    create("d", 4, weight=0.5)
    told = order(ledger)
    assert [ledger.run(reads.job(job_id)).queue_position for job_id in told] == list(range(1, len(told) + 1))
    seen = ledger.run(outlook())
    assert [job.owner for job in seen.queued] == [job_id[0] for job_id in told]
    assert ledger.run(room()).next_job > 0
    # Without ends, each costs what it is expected to.
    assert [claim().id for _ in told] == told
    assert ledger.run(moves.claim_next(worker="w", delivery="last")).outcome == "empty"


@pytest.mark.parametrize("returns", [False, True])
def test_a_claim_looks_at_few_keys_however_many_came_at_once(create, draw, claim, client, returns):
    """The first come is next, which needs no look at the jobs of the others."""
    if returns:  # not the first jobs of all: the clock has a reading
        create("early", 3)
        draw(3)
    owners = [f"key-{number:02}" for number in reversed(range(50))]
    for owner in owners:
        create(owner, 2)
    calls = []
    for owner in owners:
        client.config_resetstat()
        assert claim().owner == owner
        calls.append(client.info("commandstats")["cmdstat_zrange"]["calls"])
    assert max(calls) <= 4


def test_nothing_is_left_of_an_empty_queue(create, claim, client, ledger):
    create("a", 2)
    create("b", 1, priority=Priority.HIGH)
    claim()
    for job_id in order(ledger):
        ledger.run(moves.request_cancel(job_id, ttl_seconds=60))
    assert client.keys(f"{keys.LANES}*") == client.keys(f"{keys.TURNS}*") == []


def test_what_an_older_version_queued_is_drawn_and_adopted(create, claim, client, ledger):
    old = [*create("a", 2), *create("b", 1)]
    client.delete(*client.keys(f"{keys.LANES}*"), *client.keys(f"{keys.TURNS}*"))
    assert set(order(ledger)) == set(old)
    assert claim().id == old[0]
    assert ledger.run(wakeups.adopt()) == 2
    assert ledger.run(wakeups.adopt()) == 0
    # What an older worker has claimed is in its owner's lane still.
    client.zrem(keys.QUEUED, old[1])
    assert ledger.run(wakeups.adopt()) == 1
    assert claim().id == old[2]


def test_a_record_that_was_deleted_by_hand_holds_nobody_up(create, claim, client):
    gone, kept = create("a")[0], create("b")[0]
    client.delete(keys.job(gone))
    assert claim().id == kept
    assert client.zcard(keys.QUEUED) == 0
