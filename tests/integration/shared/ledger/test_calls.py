"""Held calls in the ledger: which job an equal call joins, and which jobs are canceled."""

import pytest

from shared.jobs import Job, JobStatus
from shared.ledger import calls, counters, moves, reads
from shared.ledger.calls import End
from shared.ledger.keys import CALLS, COUNTERS
from shared.ledger.replies import Creation, Outcome

S = JobStatus
REJOIN = 120


@pytest.fixture
def ask(ledger):
    """Makes a held call; returns the outcome and the job's id."""

    def _ask(call_id, caller="one", request="fox"):
        call = calls.call(call_id, caller, request, REJOIN)
        job = Job(id=call_id, status=S.QUEUED, prompt="fox", sizes=(64,), seed=1)
        created = ledger.run(moves.create(job, max_queue=9, call=call))
        return created.outcome, created.reading.job.id

    return _ask


@pytest.fixture
def end(ledger):
    def _end(call_id, how, job_id=""):
        return ledger.run(calls.let_go(calls.call(call_id, "one", "fox", REJOIN), job_id or call_id, how))

    return _end


@pytest.fixture
def later(client):
    """Lets seconds pass for the calls' times."""

    def _later(seconds):
        for key in (CALLS, *client.keys("logo:twins:*")):
            for member, score in client.zrange(key, 0, -1, withscores=True):
                if score:
                    client.zadd(key, {member: score - seconds * 1000})

    return _later


@pytest.fixture
def succeed(ledger):
    def _succeed(job_id, images_ttl=60):
        ledger.run(moves.claim(job_id, worker="w", delivery="d"))
        ledger.run(moves.finish(job_id, 1, width=1, height=1, model="m"))
        ledger.run(moves.succeed(job_id, 1, images_ttl_seconds=images_ttl, ttl_seconds=60))

    return _succeed


def test_a_live_call_is_not_joined_and_one_that_was_cut_is(ask, end, client):
    assert ask("a") == (Creation.CREATED, "a")
    assert ask("b") == (Creation.CREATED, "b")
    end("b", End.CUT)
    assert ask("c", caller="another") == (Creation.CREATED, "c")
    assert ask("d", request="an owl") == (Creation.CREATED, "d")
    assert ask("e") == (Creation.REJOINED, "b")
    assert ask("e") == (Creation.REJOINED, "b")  # again after a lost reply
    assert ask("f") == (Creation.CREATED, "f")  # the first repeat is alive
    assert int(client.hget(COUNTERS, counters.REJOINED)) == 1
    # The end of the first call comes late: its job is another's now.
    assert not end("b", End.CUT)
    assert ask("g") == (Creation.CREATED, "g")


@pytest.mark.parametrize(
    ("how", "outcome"),
    [(End.CUT, Creation.REJOINED), (End.ECHOED, Creation.REJOINED), (End.DELIVERED, Creation.CREATED)],
)
def test_the_result_is_had_again_only_if_it_did_not_arrive(ask, end, succeed, how, outcome):
    ask("a")
    succeed("a")
    end("a", how)
    assert ask("b")[0] is outcome


@pytest.mark.parametrize("ended", ["fail", "cancel", "expired images", "cancel is asked for"])
def test_what_cannot_be_had_any_more_is_drawn_again(ask, end, ledger, succeed, ended):
    ask("a")
    if ended == "expired images":
        succeed("a", images_ttl=0)
    elif ended == "fail":
        ledger.run(moves.fail("a", code="poison", message="m", ttl_seconds=60))
    else:
        if ended == "cancel is asked for":
            ledger.run(moves.claim("a", worker="w", delivery="d"))
        ledger.run(moves.request_cancel("a", ttl_seconds=60))
    end("a", End.CUT)
    assert ask("b") == (Creation.CREATED, "b")


def test_the_calls_of_a_process_that_died_count_as_cut(ask, later, ledger):
    ask("a")
    later(calls.LEASE_SECONDS - 2)
    ledger.run(calls.keep(REJOIN * 1000, ["a", "unknown"]))
    later(calls.LEASE_SECONDS - 2)
    assert ask("b") == (Creation.CREATED, "b")
    later(2)
    assert ask("c") == (Creation.REJOINED, "a")
    later(calls.LEASE_SECONDS + REJOIN)
    assert set(ledger.run(calls.abandoned())) == {"a", "b"}


@pytest.mark.parametrize("running", [False, True])
def test_an_abandoned_job_is_canceled_after_its_time(ask, end, later, ledger, running):
    def cancel():
        return ledger.run(moves.request_cancel("a", ttl_seconds=60, abandoned=True)).outcome

    ask("a")
    if running:
        ledger.run(moves.claim("a", worker="w", delivery="d"))
    assert cancel() is Outcome.REFUSED
    end("a", End.CUT)
    later(REJOIN - 1)
    assert cancel() is Outcome.REFUSED
    later(2)
    assert ledger.run(calls.abandoned()) == ["a"]
    assert ask("b") == (Creation.CREATED, "b")  # too late to join
    assert cancel() is (Outcome.FLAGGED if running else Outcome.MOVED)
    assert cancel() is Outcome.REFUSED
    assert ledger.run(calls.abandoned()) == []


def test_a_job_that_its_caller_was_told_of_goes_on_and_may_be_joined_for_a_time(ask, end, later, ledger):
    ask("a")
    end("a", End.TOLD)
    later(REJOIN - 1)
    assert ask("b") == (Creation.REJOINED, "a")
    assert end("b", End.TOLD, "a")
    later(REJOIN + 1)
    assert ledger.run(calls.abandoned()) == []
    assert ask("c") == (Creation.CREATED, "c")
    assert ledger.run(reads.job("a")).job.status is S.QUEUED
