"""How much of the loop's time callers with many calls get beside others."""

import asyncio

import pytest

from api import loop_share, turns
from api.loop_share import MANY_A_SECOND, PERIOD_SECONDS, SHARE, WINDOW_SECONDS, LoopShare
from api.turns import TURNS, TURNS_BESIDE_OTHERS
from tests.unit.api.test_turns import Front, settle

MANY = MANY_A_SECOND * PERIOD_SECONDS + 1


class Clock:
    """Both clocks of a share: the time, and what the loop's thread has used."""

    def __init__(self):
        self.now = 1000.0
        self.used = 0.0

    def share(self):
        return LoopShare(lambda: self.now, lambda: self.used)


@pytest.fixture
def clock():
    return Clock()


def called(share, **calls):
    for caller, number in calls.items():
        for _ in range(number):
            share.count(caller)


def next_period(clock, share):
    clock.now += PERIOD_SECONDS
    share.count("other")


def test_a_caller_with_many_calls_has_them_beside_one_with_few(clock):
    share = clock.share()
    called(share, greedy=MANY, other=1)
    next_period(clock, share)
    assert share.has_many("greedy")
    assert not share.has_many("other")


@pytest.mark.parametrize(
    "calls",
    [
        {"greedy": 10 * MANY},
        {"greedy": MANY - 1, "other": 1},
        {"greedy": MANY, "second": MANY},
        {"greedy": loop_share.TIMES_THE_FEWEST * MANY, "second": MANY},
    ],
    ids=["alone", "few", "two that are equal", "two with many"],
)
def test_nobody_makes_room_for_one_who_needs_none(clock, calls):
    share = clock.share()
    called(share, **calls)
    clock.now += PERIOD_SECONDS
    called(share, **calls)
    assert not share.has_many("greedy")
    assert share.rest("greedy") == 0


def test_who_was_there_long_ago_is_not_thought_of(clock):
    share = clock.share()
    called(share, greedy=MANY, other=1)
    clock.now += 2 * PERIOD_SECONDS
    called(share, greedy=MANY)
    assert not share.has_many("greedy")


def test_a_caller_with_many_rests_until_the_window_ends(clock):
    share = clock.share()
    called(share, greedy=MANY, other=1)
    next_period(clock, share)
    assert share.rest("greedy") == 0
    clock.now += WINDOW_SECONDS / 4
    clock.used += SHARE * WINDOW_SECONDS * 1.01
    assert share.rest("greedy") == pytest.approx(WINDOW_SECONDS * 3 / 4)
    assert share.rest("other") == 0
    clock.now += WINDOW_SECONDS
    assert share.rest("greedy") == 0


@pytest.fixture
async def front(clock, monkeypatch):
    monkeypatch.setattr(turns, "ON_TIME_SECONDS", -1)
    monkeypatch.setattr(turns, "LATE_SECONDS", float("inf"))
    share = clock.share()
    called(share, greedy=MANY, other=1)
    next_period(clock, share)
    front = Front(share)
    yield front
    for task in front.tasks.values():
        task.cancel()
    await asyncio.gather(*front.tasks.values(), return_exceptions=True)
    assert front.turns.waiting == 0


async def test_it_has_fewer_calls_at_work(front):
    for number in range(10):
        front.call("greedy", number)
    for number in range(TURNS):
        front.call("other", f"other {number}")
    await settle()
    assert front.started == [*range(TURNS_BESIDE_OTHERS), *(f"other {number}" for number in range(TURNS))]


async def test_its_next_call_starts_when_the_rest_is_over(front, clock):
    front.call("greedy", 0)
    front.call("greedy", 1)
    await settle()
    clock.used += SHARE * WINDOW_SECONDS * 1.01
    front.go_on(0)
    await settle()
    assert front.started == [0]
    clock.now += WINDOW_SECONDS
    front.call("greedy", 2)  # may not overtake
    async with asyncio.timeout(20):
        while len(front.started) < 2:
            await asyncio.sleep(0.01)
    assert front.started == [0, 1]


async def test_the_refusals_of_a_burst_do_not_come_in_one_round(front, clock, monkeypatch):
    monkeypatch.setattr(turns, "MOST_SECONDS", 0.01)
    monkeypatch.setattr(turns.Turns, "room", lambda *_: 0)
    await front.turns.take("greedy", None)
    clock.used += SHARE * WINDOW_SECONDS * 1.01
    for number in range(3):
        front.call("greedy", number)
    await asyncio.sleep(5 * turns.MOST_SECONDS)
    assert front.answers == {}
    clock.now += WINDOW_SECONDS
    await asyncio.gather(*front.tasks.values())
    assert front.answers == {0: 429, 1: 429, 2: 429}
    front.turns.give("greedy")


async def test_a_refusal_does_not_wait_for_long_for_those_before_it(front, clock, monkeypatch):
    monkeypatch.setattr(turns, "MOST_SECONDS", 0.01)
    monkeypatch.setattr(turns, "SPREAD_SECONDS", 0.01)
    monkeypatch.setattr(turns.Turns, "room", lambda *_: 0)
    await front.turns.take("greedy", None)
    clock.used += SHARE * WINDOW_SECONDS * 1.01  # and the window never ends
    for number in range(3):
        front.call("greedy", number)
    await asyncio.gather(*front.tasks.values())
    assert front.answers == {0: 429, 1: 429, 2: 429}
    front.turns.give("greedy")
