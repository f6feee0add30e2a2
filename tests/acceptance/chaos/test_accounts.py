"""The rule of shares, which the nemesis holds a run to, on runs that are written down."""

from types import SimpleNamespace

import pytest
from accounts import unfair

from shared.jobs import Priority


def _job(owner, created, started, ms=1000, attempt=1, priority=Priority.NORMAL):
    return SimpleNamespace(
        id=f"{owner}{started}",
        owner=owner,
        created_at=created,
        started_at=started,
        drawn_at=started + ms,
        finished_at=started + ms,
        denoise_ms=ms,
        attempt=attempt,
        priority=priority,
    )


def test_first_come_first_served_is_found():
    greedy = [_job("greedy", 0, 1 + n * 1000) for n in range(30)]
    assert list(unfair([*greedy, _job("few", 10, 30_001)])) == [
        "few30001 waited 29991 ms while another key had 27000 ms and its own 0, 11000 are allowed"
    ]


def test_turns_are_no_finding():
    """Each key has thirty jobs from the start, and they are drawn in turns."""
    jobs = [_job(owner, 0, 1 + n * 2000 + offset) for n in range(30) for owner, offset in (("a", 0), ("b", 1000))]
    assert list(unfair(jobs)) == []


def test_a_job_that_lost_an_attempt_is_left_out():
    greedy = [_job("greedy", 0, 1 + n * 1000) for n in range(30)]
    assert list(unfair([*greedy, _job("few", 10, 30_001, attempt=2)])) == []


def test_a_drawing_that_was_begun_is_not_taken_back():
    """Two workers have one of 20 s each, which the next job waits for."""
    long = [_job("greedy", 0, 11, ms=20_000), _job("greedy", 0, 12, ms=20_000)]
    assert list(unfair([*(_job("few", 0, n) for n in range(1, 10)), *long, _job("few", 10, 20_000)])) == []


@pytest.mark.parametrize(("stopped", "findings"), [(1000, 1), (29_000, 0)])
def test_the_others_make_up_for_a_drawing_that_was_stopped(stopped, findings):
    """It ended just before the key's next job was made, and counts as what the key had."""
    long = _job("few", 0, 30_000 - stopped, ms=stopped)
    greedy = [_job("greedy", 0, 31_000 + n * 1000) for n in range(30)]
    assert len(list(unfair([long, *greedy, _job("few", 30_500, 61_001)]))) == findings


@pytest.mark.parametrize(("owner", "findings"), [("few", 0), ("third", 1)])
def test_a_keys_jobs_of_high_priority_count_as_what_it_had(owner, findings):
    """They are drawn within the wait of its next job of normal priority."""
    high = [_job(owner, 10, 11 + n * 2000, priority=Priority.HIGH) for n in range(15)]
    greedy = [_job("greedy", 0, 1011 + n * 2000) for n in range(25)]
    assert len(list(unfair([*high, *greedy, _job("few", 10, 51_001)]))) == findings


def test_a_key_that_waited_behind_others_gets_ahead():
    """Its job of low priority stood behind those of the others for minutes."""
    ahead = [_job("low", 29_999, 30_000 + n * 1000) for n in range(100)]
    greedy = [*(_job("greedy", 0, n * 1000 + 1) for n in range(30)), _job("greedy", 0, 130_001)]
    last = _job("low", 0, 140_000, priority=Priority.LOW)
    assert list(unfair([*greedy, *ahead, last])) == []
    assert len(list(unfair([*greedy, *ahead]))) == 1
