"""The clock of the Redis server is set, or a machine sleeps: what is held stays with its holder.

Moving the times of all leases and the clock that the server's is compared with is what a step of the server's clock is.
"""

import time
from types import SimpleNamespace

import pytest

from shared.jobs import JobStatus
from shared.ledger import moves
from shared.ledger.keys import LEASES
from shared.ledger.replies import Hold
from worker import server_clock, sweeping

LEASE_MS = moves.LEASE_MS


@pytest.fixture
def clock(client, sweeper, monkeypatch):
    """Steps the server's clock; `passes` lets time pass for the sweeper alone."""
    passed, stepped = [0.0], [0.0]

    def step(seconds):
        stepped[0] += seconds
        for job_id, ends in client.zrange(LEASES, 0, -1, withscores=True):
            client.zadd(LEASES, {job_id: ends - seconds * 1000})

    def passes(seconds):
        passed[0] += seconds

    sweeper._clock = server_clock.ServerClock(client, lambda: time.monotonic() - stepped[0])
    monkeypatch.setattr(sweeping, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + passed[0]))
    sweeper.sweep()
    return SimpleNamespace(step=step, passes=passes)


@pytest.mark.parametrize("seconds", [60, 3600])
def test_a_clock_that_is_set_forward_takes_no_lease_away(job, ledger, sweeper, clock, seconds):
    ledger.run(moves.claim("job", worker="lives", delivery="d"))
    clock.step(seconds)
    sweeper.sweep()
    assert job().status is JobStatus.RUNNING
    assert ledger.run(moves.renew("job", 1)) is Hold.HELD
    clock.passes(11)
    sweeper.sweep()
    assert job().status is JobStatus.RUNNING


def test_what_was_lost_is_recovered_a_lease_later(job, ledger, sweeper, clock):
    ledger.run(moves.claim("job", worker="dead", delivery="d"))
    clock.step(60)
    sweeper.sweep()
    sweeper.sweep()
    assert job().status is JobStatus.RUNNING
    clock.passes(11)
    sweeper.sweep()
    assert job().status is JobStatus.QUEUED


def test_after_a_clock_that_is_set_back_no_lease_lasts_for_longer(job, ledger, sweeper, client, clock):
    ledger.run(moves.claim("job", worker="dead", delivery="d"))
    clock.step(-3600)
    sweeper.sweep()
    assert client.zscore(LEASES, "job") / 1000 < time.time() + LEASE_MS / 1000 + 1


def test_a_clock_that_is_slewed_has_no_step(job, ledger, sweeper, client, clock):
    ledger.run(moves.claim("job", worker="dead", delivery="d"))
    client.zadd(LEASES, {"job": 1})
    clock.step(0.5)
    sweeper.sweep()
    assert job().status is JobStatus.QUEUED
