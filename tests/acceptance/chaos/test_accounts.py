"""The rule of shares, which the nemesis holds a run to, on runs that are written down."""

from types import SimpleNamespace

from accounts import unfair


def _job(owner, created, started, ms=1000, attempt=1):
    return SimpleNamespace(
        id=f"{owner}{started}", owner=owner, created_at=created, started_at=started, denoise_ms=ms, attempt=attempt
    )


def test_first_come_first_served_is_found():
    greedy = [_job("greedy", 0, 1 + n * 1000) for n in range(30)]
    assert list(unfair([*greedy, _job("few", 10, 30_001)])) == [
        "few30001 waited while another key had 27000 ms, 11000 are allowed"
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
