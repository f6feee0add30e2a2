"""The ledger against a model in memory: moves in any order, also by workers that have lost their lease, repeated after
a lost reply, with the server killed between commands.
"""

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from shared.jobs import TRANSITIONS, Job, JobStatus, is_terminal
from shared.ledger import keys, moves, reads
from shared.ledger.keys import LEASES, OWN_QUEUED, QUEUED
from shared.ledger.moves import MAX_ATTEMPTS
from shared.ledger.replies import Hold, Outcome
from shared.ledger.run import Ledger
from shared.ledger.usage import Use, of_job, usage

S = JobStatus
TTL, MAX_QUEUE, MAX_OWN = 3600, 5, 3
OWNERS = ("one", "two")
MOVES = {
    "finish": (S.FINISHING, lambda i, a: moves.finish(i, a, width=1, height=1, model="m")),
    "succeed": (S.SUCCEEDED, lambda i, a: moves.succeed(i, a, images_ttl_seconds=1, ttl_seconds=TTL)),
    "fail": (S.FAILED, lambda i, a: moves.fail(i, code="c", message="m", ttl_seconds=TTL, attempt=a)),
    "cancel": (S.CANCELED, lambda i, a: moves.cancel(i, ttl_seconds=TTL, attempt=a)),
    "expire": (S.EXPIRED, lambda i, a: moves.expire(i, ttl_seconds=TTL, attempt=a)),
    "requeue": (S.QUEUED, moves.requeue),
}
LEASED = (S.RUNNING, S.FINISHING)
jobs = st.integers(0, 7).map(lambda number: f"job-{number}")
# How far behind the job's attempt a worker is: 0 for the holder, more for one whose lease was given away.
lags = st.sampled_from((0, 0, 0, 1, 2))


@dataclass(frozen=True)
class Known:
    """What the model knows of a job."""

    owner: str
    status: JobStatus = S.QUEUED
    attempt: int = 0
    claim: str = ""
    cancel_requested: bool = False


class LedgerMachine(RuleBasedStateMachine):
    server = None  # set by the test

    def __init__(self):
        super().__init__()
        self.client = self.server.client()
        self.client.flushall()
        self.ledger = Ledger(self.client)
        self.known: dict[str, Known] = {}
        self.order: list[str] = []  # of creation
        self.keys: dict[tuple[str, str], tuple[str, str]] = {}  # (owner, idempotency key) -> (job, fingerprint)
        self.events: list[tuple[str, str]] = []
        self.deliveries = 0

    def teardown(self):
        self.client.close()

    def queued(self, owner=None):
        return [i for i in self.order if self.known[i].status is S.QUEUED and owner in (None, self.known[i].owner)]

    def change(self, job_id, **changes):
        self.known[job_id] = replace(self.known[job_id], **changes)
        self.events.append((job_id, self.known[job_id].status))

    @rule(job_id=jobs, owner=st.sampled_from(OWNERS), key=st.sampled_from(("", "k")), fingerprint=st.sampled_from("ab"))
    def create(self, job_id, owner, key, fingerprint):
        job = Job(id=job_id, status=S.QUEUED, prompt="fox", sizes=(64,), seed=1, owner=owner)
        used = self.keys.get((owner, key)) if key else None
        if job_id in self.known:
            expected = ("created", job_id)  # its own creation again, after a lost reply
        elif used:
            expected = ("replayed" if used[1] == fingerprint else "conflict", used[0])
        elif len(self.queued()) >= MAX_QUEUE:
            expected = ("full", str(len(self.queued())))
        elif len(self.queued(owner)) >= MAX_OWN:
            expected = ("owner_full", str(len(self.queued(owner))))
        else:
            expected = ("created", job_id)
            self.known[job_id] = Known(owner)
            self.order.append(job_id)
            self.events.append((job_id, S.QUEUED))
            if key:
                self.keys[owner, key] = (job_id, fingerprint)
        command = moves.create(job, fingerprint=fingerprint, idempotency_key=key, max_queue=MAX_QUEUE, max_own=MAX_OWN)
        created = self.ledger.run(command)
        assert (created.outcome, created.reading.job.id if created.reading else str(created.depth)) == expected

    @precondition(lambda self: self.known)
    @rule(data=st.data(), delivery=st.sampled_from("abc"))
    def claim(self, data, delivery):
        job_id = data.draw(st.sampled_from(self.order))
        job = self.known[job_id]
        # Each time a message is taken, its delivery gets a new name; only a repeat of that call has the same name.
        name = job.claim if delivery == "a" and job.claim else f"{delivery}-{job_id}-{job.attempt}"
        if job.status is S.RUNNING and job.claim == name:
            expected = Outcome.ALREADY
        elif job.status is not S.QUEUED:
            expected = Outcome.REFUSED
        elif job.attempt >= MAX_ATTEMPTS:
            expected = Outcome.EXHAUSTED
        else:
            expected = Outcome.MOVED
            self.change(job_id, status=S.RUNNING, attempt=job.attempt + 1, claim=name)
        moved = self.ledger.run(moves.claim(job_id, worker="w", delivery=name))
        assert moved.outcome is expected

    @rule(worker=st.sampled_from("vw"), repeats=st.sampled_from((1, 1, 2)))
    def claim_next(self, worker, repeats):
        self.deliveries += 1
        name = f"next-{self.deliveries}"
        queued = self.ledger.run(reads.queued())  # whose turn comes when depends on how long drawings took
        job = self.known[queued[0]] if queued else None
        first, *again = [self.ledger.run(moves.claim_next(worker=worker, delivery=name)) for _ in range(repeats)]
        if job is None:
            assert first.outcome is Outcome.EMPTY
        elif job.attempt >= MAX_ATTEMPTS:
            assert (first.outcome, first.job.id) == (Outcome.EXHAUSTED, queued[0])
        else:
            assert (first.outcome, first.job.id) == (Outcome.MOVED, queued[0])
            self.change(queued[0], status=S.RUNNING, attempt=job.attempt + 1, claim=name)
            assert [(moved.outcome, moved.job.id) for moved in again] == [(Outcome.ALREADY, queued[0])] * len(again)
            assert self.ledger.run(reads.held(worker)) == queued[0]

    @precondition(lambda self: self.known)
    @rule(data=st.data(), name=st.sampled_from(sorted(MOVES)), lag=lags, repeats=st.sampled_from((1, 1, 2)))
    def move(self, data, name, lag, repeats):
        """A move by a worker that believes it holds the job. `repeats`: the first reply was lost."""
        job_id = data.draw(st.sampled_from(self.order))
        target, command = MOVES[name]
        for _ in range(repeats):
            job = self.known[job_id]
            if lag:
                expected = Outcome.REFUSED
            elif job.status is target:
                expected = Outcome.ALREADY
            elif target in TRANSITIONS[job.status]:
                expected = Outcome.MOVED
                self.change(job_id, status=target)
            else:
                expected = Outcome.REFUSED
            assert self.ledger.run(command(job_id, job.attempt - lag)).outcome is expected

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def ask_to_cancel(self, data):
        job_id = data.draw(st.sampled_from(self.order))
        job = self.known[job_id]
        if job.status is S.RUNNING:
            expected = Outcome.FLAGGED
            self.known[job_id] = replace(job, cancel_requested=True)
        elif is_terminal(job.status):
            expected = Outcome.ALREADY if job.status is S.CANCELED else Outcome.REFUSED
        else:
            expected = Outcome.MOVED
            self.change(job_id, status=S.CANCELED)
        assert self.ledger.run(moves.request_cancel(job_id, ttl_seconds=TTL)).outcome is expected

    @precondition(lambda self: self.known)
    @rule(data=st.data(), lag=lags)
    def renew(self, data, lag):
        job_id = data.draw(st.sampled_from(self.order))
        job = self.known[job_id]
        held = Hold.CANCEL if job.cancel_requested else Hold.HELD
        expected = held if job.status in LEASED and not lag else Hold.LOST
        assert self.ledger.run(moves.renew(job_id, job.attempt - lag)) is expected

    @precondition(lambda self: self.known)
    @rule(chance=st.integers(0, 4))
    def the_server_is_killed(self, chance):
        if chance == 0:
            self.client.close()
            self.server.kill()
            self.server.start()
            self.client = self.server.client()
            self.ledger = Ledger(self.client)

    @invariant()
    def the_records_are_the_models(self):
        for job_id, known in self.known.items():
            job = self.ledger.run(reads.job(job_id)).job
            assert (job.status, job.attempt, job.claim) == (known.status, known.attempt, known.claim)
            assert job.cancel_requested == known.cancel_requested
            assert (self.client.ttl(keys.job(job_id)) > 0) == is_terminal(known.status)

    @invariant()
    def the_indexes_are_the_models(self):
        in_queue = self.queued()
        in_turn = self.ledger.run(reads.queued())
        assert [self.ledger.run(reads.job(i)).queue_position for i in in_turn] == list(range(1, len(in_queue) + 1))
        assert self.ledger.run(reads.backlog()).depth == len(in_queue)
        leased = {job_id.decode() for job_id in self.client.zrange(LEASES, 0, -1)}
        assert leased == {i for i, job in self.known.items() if job.status in LEASED}
        for owner in OWNERS:
            own = {job_id.decode() for job_id in self.client.smembers(f"{OWN_QUEUED}:{owner}")}
            assert own == set(self.queued(owner))
            assert [i for i in in_turn if self.known[i].owner == owner] == self.queued(owner)
        assert self.client.zcard(QUEUED) == len(in_queue)
        running = {i for i, job in self.known.items() if job.status is S.RUNNING}
        assert {job_id.decode() for job_id in self.client.hvals(keys.HELD)} <= running

    @invariant()
    def the_usage_is_the_sum_over_the_jobs(self):
        today = datetime.now(UTC).date()
        for owner in OWNERS:
            own = {i: job for i, job in self.known.items() if job.owner == owner}
            ended = [self.ledger.run(reads.job(i)).job for i, job in own.items() if is_terminal(job.status)]
            found = self.ledger.run(usage(owner, today - timedelta(1), today + timedelta(1)))
            assert found.total == sum((of_job(job, 0) for job in ended), Use())
            pending = self.client.hmget(keys.PENDING, f"{owner}:jobs", f"{owner}:images")
            assert [int(count or 0) for count in pending] == [len(own) - len(ended)] * 2

    @invariant()
    def the_events_are_the_models(self):
        events = [(e[b"job_id"].decode(), e[b"status"].decode()) for _, e in self.client.xrange(keys.EVENTS)]
        assert events == self.events


@pytest.mark.timeout(3600)
def test_any_order_of_moves(own_valkey):
    """MACHINE_EXAMPLES=1000 for a longer look."""
    LedgerMachine.server = own_valkey
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=int(os.environ.get("MACHINE_EXAMPLES", "15")),
            stateful_step_count=30,
            deadline=None,
            database=None,
            derandomize="MACHINE_EXAMPLES" not in os.environ,
            suppress_health_check=list(HealthCheck),
        ),
    )
