"""When refused calls are to come again."""

import math
from collections import Counter

import pytest

from api import return_times
from api.return_times import A_SECOND, A_SECOND_LATE, LEAST_OF_A_CORE, MOST_SECONDS, ReturnTimes


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


@pytest.mark.parametrize(("of_a_core", "expected"), [(0.05, LEAST_OF_A_CORE), (0.5, 0.5), (1.7, 1.0)])
def test_a_late_process_takes_them_by_what_it_gets_of_a_core(clock, monkeypatch, of_a_core, expected):
    monkeypatch.setattr(return_times.time, "process_time", lambda: clock[0] * of_a_core)
    returns = ReturnTimes()
    assert returns.seconds("before", late=True) == 1
    clock[0] += 1.5
    told = Counter(returns.seconds("phones", late=True) for _ in range(2990))
    assert set(told) == set(range(1, math.ceil(2990 / (A_SECOND_LATE * expected)) + 1))


def test_what_it_used_while_it_had_nothing_to_do_does_not_count(clock, monkeypatch):
    monkeypatch.setattr(return_times.time, "process_time", lambda: clock[0])
    returns = ReturnTimes()
    for pause in (0, 1.5, 60):
        clock[0] += pause
        told = [returns.seconds(f"phones-{pause}", late=True) for _ in range(990)]
    assert max(told) == math.ceil(990 / (A_SECOND_LATE * LEAST_OF_A_CORE))


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
