"""When refused calls are to come again."""

from collections import Counter

import pytest

from api import return_times
from api.return_times import A_SECOND, A_SECOND_LATE, MOST_SECONDS, ReturnTimes


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(return_times.time, "monotonic", lambda: now[0])
    return now


def test_a_burst_comes_back_at_a_rate_that_is_answered(clock):
    returns = ReturnTimes()
    told = Counter(returns.seconds("phones") for _ in range(6000))
    assert set(told) == set(range(1, 6000 // int(A_SECOND) + 1))
    assert max(told.values()) <= A_SECOND + 1


def test_a_late_process_takes_them_more_slowly(clock):
    returns = ReturnTimes()
    told = Counter(returns.seconds("phones", late=True) for _ in range(3000))
    assert set(told) == set(range(1, 3000 // int(A_SECOND_LATE) + 1))


def test_another_caller_comes_back_at_once(clock):
    returns = ReturnTimes()
    for _ in range(6000):
        returns.seconds("phones")
    assert returns.seconds("other") == 1
    clock[0] += 30
    assert returns.seconds("phones") == 1


def test_nobody_stays_away_for_long(clock):
    returns = ReturnTimes()
    told = [returns.seconds("phones") for _ in range(50_000)]
    assert set(told) == set(range(1, MOST_SECONDS + 1))


def test_callers_of_the_past_are_forgotten(clock):
    returns = ReturnTimes()
    for number in range(900):
        returns.seconds(f"caller-{number}")
    clock[0] += 60
    for number in range(900, 1001):
        returns.seconds(f"caller-{number}")
    assert len(returns._next) == 101
