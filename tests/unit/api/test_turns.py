"""The turns that the calls of each caller take."""

import asyncio

import pytest

from api import turns
from api.loop_lag import LoopLag
from api.refusals import Refusals
from api.turns import TURNS, SetAside, TakeTurns, Turns

SCOPE = {"type": "http", "method": "GET", "path": "/api/jobs", "root_path": "", "headers": []}


class Front:
    """A route behind the turns, whose calls go on when the test lets them."""

    def __init__(self, share=None):
        self.turns = Turns(share)
        refusals = Refusals(LoopLag(0.5), lambda scope: scope["caller"], lambda: None)
        self._app = TakeTurns(self._work, turns=self.turns, refusals=refusals)
        self.started, self.answers, self.statuses = [], {}, {}
        self._go_on, self.waited_for = {}, asyncio.Event()
        self.tasks = {}

    def call(self, caller, name, path="/api/jobs", method="GET"):
        self._go_on[name] = asyncio.Event()
        scope = SCOPE | {"caller": caller, "name": name, "path": path, "method": method}

        async def send(message):
            if message["type"] == "http.response.start":
                self.answers[name] = message["status"]

        self.tasks[name] = asyncio.create_task(self._app(scope, None, send))

    def go_on(self, name):
        self._go_on[name].set()

    async def _work(self, scope, _receive, send):
        self.started.append(scope["name"])
        if scope["name"] == "held":
            async with SetAside():
                await self.waited_for.wait()
            self.started.append("woken")
        await self._go_on[scope["name"]].wait()
        await send({"type": "http.response.start", "status": self.statuses.get(scope["name"], 200), "headers": []})
        if scope["name"] == "streamed":
            await asyncio.Event().wait()


@pytest.fixture
async def front(monkeypatch):
    # As in a loop that is kept busy: only a turn that is given back lets another call start.
    monkeypatch.setattr(turns, "ON_TIME_SECONDS", -1)
    monkeypatch.setattr(turns, "LATE_SECONDS", float("inf"))
    front = Front()
    yield front
    for task in front.tasks.values():
        task.cancel()
    await asyncio.gather(*front.tasks.values(), return_exceptions=True)
    assert front.turns.waiting == 0
    assert not front.turns._taken


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_another_caller_waits_for_nobody(front):
    for number in range(50):
        front.call("greedy", number)
    await settle()
    front.call("other", "other")
    await settle()
    assert front.started == [*range(TURNS), "other"]
    assert front.turns.waiting == 50 - TURNS


async def test_calls_of_a_caller_start_in_their_order_as_others_answer(front):
    for number in range(TURNS + 3):
        front.call("greedy", number)
    await settle()
    front.go_on(2)
    front.go_on(3)
    await settle()
    assert front.started == list(range(TURNS + 2))
    assert front.answers == {2: 200, 3: 200}


@pytest.mark.parametrize("name", ["held", "streamed"])
async def test_a_call_that_waits_for_a_job_or_streams_lets_another_start(front, name):
    front.call("greedy", name)
    for number in range(TURNS):
        front.call("greedy", number)
    if name == "streamed":
        front.go_on(name)
    await settle()
    assert set(front.started) == {name, *range(TURNS)}


async def test_a_call_that_was_woken_waits_for_a_turn_again(front):
    front.call("greedy", "held")
    for number in range(TURNS):
        front.call("greedy", number)
    await settle()
    front.waited_for.set()
    await settle()
    assert "woken" not in front.started
    front.go_on(0)
    await settle()
    assert "woken" in front.started


async def test_a_call_that_is_canceled_keeps_no_turn(front):
    for number in range(TURNS + 2):
        front.call("greedy", number)
    await settle()
    front.tasks[TURNS].cancel()  # waits
    front.tasks[0].cancel()  # is at work
    await settle()
    assert front.started == [*range(TURNS), TURNS + 1]
    front.tasks[1].cancel()
    front.call("greedy", "last")
    await settle()
    assert front.started[-1] == "last"


async def test_a_turn_that_comes_as_its_call_is_canceled_goes_to_the_next(front):
    for number in range(TURNS + 2):
        front.call("greedy", number)
    await settle()
    front.tasks[TURNS].cancel()
    front.turns.give("greedy")
    front.turns._taken["greedy"] += 1  # the call that gave it does so again at its end
    await settle()
    front.go_on(0)
    await settle()
    assert TURNS + 1 in front.started


async def test_who_waits_too_long_is_told_when_to_come_again(front, monkeypatch):
    monkeypatch.setattr(turns, "MOST_SECONDS", 0.01)
    for number in range(TURNS + 1):
        front.call("greedy", number)
    await front.tasks[TURNS]
    assert front.answers == {TURNS: 429}


@pytest.mark.parametrize("others", [0, 2 * TURNS])
async def test_a_refused_call_is_told_later_where_others_wait(front, monkeypatch, others):
    """Else a caller whose calls come again at once has the process refuse them again and again."""
    monkeypatch.setattr(turns, "MOST_SECONDS", 0.05)
    front.statuses["refused"] = 429
    front.call("greedy", "refused")
    for number in range(others):
        front.call("greedy", number, method="DELETE")
    await settle()
    front.go_on("refused")
    await settle()
    assert front.answers == ({} if others else {"refused": 429})
    await front.tasks["refused"]
    assert front.answers == {"refused": 429}


async def test_what_is_not_refused_is_told_at_once(front):
    front.statuses["failed"] = 503
    front.call("greedy", "failed")
    for number in range(TURNS):
        front.call("greedy", number)
    front.go_on("failed")
    await settle()
    assert front.answers == {"failed": 503}


async def test_probes_wait_for_nobody(front):
    for number in range(TURNS + 1):
        front.call("greedy", number)
    front.call("greedy", "probe", "/health/live")
    await settle()
    assert front.started[-1] == "probe"


async def test_while_the_loop_is_on_time_more_calls_start(front, monkeypatch):
    """What is at work waits for Redis then, and a time-out of it is to cost nobody else's."""
    monkeypatch.setattr(turns, "ON_TIME_SECONDS", 60)
    for number in range(3 * TURNS):
        front.call("greedy", number)
    async with asyncio.timeout(20):
        while len(front.started) < 3 * TURNS:
            await asyncio.sleep(0.01)
    assert front.started == list(range(3 * TURNS))


async def test_while_the_loop_is_late_more_calls_are_at_work(front, monkeypatch):
    """Else they are refused, at nearly the cost of their answers."""
    monkeypatch.setattr(turns, "LATE_SECONDS", -1)
    monkeypatch.setattr(turns, "TURNS_WHILE_LATE", 3 * TURNS)
    for number in range(5 * TURNS):
        front.call("greedy", number)
    async with asyncio.timeout(20):
        while len(front.started) < 3 * TURNS:
            await asyncio.sleep(0.01)
    await asyncio.sleep(2 * turns.LOOK_SECONDS)
    assert front.started == list(range(3 * TURNS))
    front.go_on(0)
    await front.tasks[0]
    await settle()
    assert front.started == list(range(3 * TURNS + 1))


async def test_a_loop_that_is_late_no_more_goes_back_to_few_turns(front, monkeypatch):
    monkeypatch.setattr(turns, "LATE_SECONDS", -1)
    for number in range(3 * TURNS):
        front.call("greedy", number)
    async with asyncio.timeout(20):
        while front.turns.waiting:
            await asyncio.sleep(0.01)
        while front.turns._looks:
            await asyncio.sleep(0.01)
    front.call("greedy", "next")
    await settle()
    assert "next" not in front.started


async def test_a_cancel_is_never_refused(front, monkeypatch):
    monkeypatch.setattr(turns, "MOST_SECONDS", 0)
    for number in range(TURNS):
        front.call("greedy", number)
    front.call("greedy", "refused")
    front.call("greedy", "cancel", method="DELETE")
    await front.tasks["refused"]
    assert front.answers == {"refused": 429}
    assert front.turns.waiting == 1
    front.go_on(0)
    await settle()
    assert front.started == [*range(TURNS), "cancel"]


@pytest.fixture
async def second(monkeypatch):
    """Lets seconds pass, one per call, and begins in the first moments of one."""
    passed = 0
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "time", lambda: 1000.0 + passed)

    def next_one():
        nonlocal passed
        passed += 1

    return next_one


async def test_more_wait_where_turns_are_given_fast(front, second, monkeypatch):
    monkeypatch.setattr(turns, "MOST_WAITING", 500)
    for number in range(TURNS + 60 + 1):
        front.call("fast", number)
    await settle()
    second()
    for number in range(60):
        front.go_on(number)
    while len(front.answers) < 60:
        await asyncio.sleep(0)
    assert front.turns.room("fast") == front.turns.room("unknown") == 500
    second()
    assert front.turns.room("fast") == 60 * turns.MOST_SECONDS * turns.EXPECTED


async def test_who_asked_for_few_turns_may_still_send_many_calls(front, second, monkeypatch):
    """What a caller was given before it had more calls than turns says nothing about its pace."""
    monkeypatch.setattr(turns, "MOST_WAITING", 500)
    front.call("app", "first")
    front.go_on("first")
    await settle()
    second()
    for number in range(TURNS + 1):
        front.call("app", number)
    await settle()
    assert front.turns.room("app") == 500


async def test_a_burst_in_the_midst_of_a_second_is_not_judged_by_the_rest_of_it(front, second, monkeypatch):
    monkeypatch.setattr(turns, "MOST_WAITING", 500)
    now = asyncio.get_running_loop().time
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now() + 0.9)
    for number in range(TURNS + 1):
        front.call("app", number)
    await settle()
    second()
    assert front.turns.room("app") == 500


async def test_who_would_wait_for_too_long_has_no_place_in_the_queue(front, monkeypatch):
    monkeypatch.setattr(turns, "MOST_SECONDS", 0.01)
    monkeypatch.setattr(Turns, "room", lambda *_: 0)
    for number in range(TURNS + 10):
        front.call("slow", number)
    await settle()
    assert front.turns.waiting == 10
    assert front.turns.waiting_of("slow") == 0
    await asyncio.gather(*(front.tasks[TURNS + number] for number in range(10)))
    assert front.answers == {TURNS + number: 429 for number in range(10)}
    assert front.turns.waiting == 0
