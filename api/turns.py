"""ASGI middleware that lets the calls of each caller take turns: many calls of one keep no other caller waiting.

A process does the work of all its calls on one thread, in the order in which they came: a poll behind three hundred
calls of another caller would wait for all of them. So a caller has TURNS calls at work; its others wait for one of
these, and cost next to nothing meanwhile. A call gives its turn back when its answer begins, and while it waits for a
job. While another caller with few calls is there, a caller with many has fewer at work, and not all of the time
(api/loop_share.py).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from contextvars import ContextVar
from http import HTTPStatus
from typing import TYPE_CHECKING

from api.auth import shown
from api.loop_share import LoopShare
from api.overload import ALWAYS_TAKEN
from api.refusals import plain_path
from shared.observability.logging import get_logger

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.refusals import Refusals

log = get_logger(__name__)
# Several, because a call at work also waits for Redis, and polls at work together share their round trips.
TURNS = 4
# Of a caller with many calls, while another has few: each call at work makes the rounds of the loop longer.
TURNS_BESIDE_OTHERS = 1
# A loop that is no later than this is not kept busy by the calls at work: they wait for Redis. Then more may start, so
# that no call waits for the time-outs of those before it.
ON_TIME_SECONDS = 0.005
# A loop that is later than this has more to do in each of its rounds than the calls at work: it accepts and refuses
# others. A call at work advances by one step in a round, so that TURNS of them would be answered while most others are
# refused, which costs nearly as much as to answer them. Then so many of a caller are at work.
LATE_SECONDS = 0.06
TURNS_WHILE_LATE = 64
LOOK_SECONDS = 0.05
# Many clients give up soon after it; a refusal tells them when to come again.
MOST_SECONDS = 5.0
# A refusal waits no longer than this for those before it.
SPREAD_SECONDS = 1.0
# So many calls of one caller may always wait for a turn.
FEW_WAITING = 64
# More never wait, and so many may while it is not known how many turns a second it gets.
MOST_WAITING = 1000
# The share of the turns of MOST_SECONDS that is promised: the next seconds may be slower than the one before.
EXPECTED = 0.6


class Turns:
    def __init__(self, share: LoopShare | None = None) -> None:
        self._taken: Counter[str] = Counter()
        self._waiting: dict[str, dict[asyncio.Future[None], None]] = {}  # by caller, in order
        self._waits_since: dict[str, float] = {}  # when the first of them came, on the loop's clock
        self._outside = 0  # calls that wait for their refusal
        self._refusing = asyncio.Semaphore(TURNS_BESIDE_OTHERS)
        self._looks = False
        self._share = share or LoopShare()
        self._resting = False  # until a timer starts the next calls of callers with many
        self._most = TURNS  # of a caller at work, beside those that start while the loop is on time
        self._second = 0
        self._given: Counter[str] = Counter()  # turns, in this second
        # In the second before, to callers who had calls waiting throughout it: the turns of others tell how many they
        # asked for, and not how many they could have had.
        self._given_before: Counter[str] = Counter()

    @property
    def waiting(self) -> int:
        """The number of calls that wait for a turn, or without one."""
        return self._outside + sum(map(len, self._waiting.values()))

    def waiting_of(self, caller: str) -> int:
        return len(self._waiting.get(caller, ()))

    def room(self, caller: str) -> int:
        """How many calls of a caller may wait, so that each gets its turn within MOST_SECONDS."""
        self._count_seconds()
        if not self._given_before[caller]:
            return MOST_WAITING
        pace = max(self._given[caller], self._given_before[caller])
        return max(FEW_WAITING, min(MOST_WAITING, round(pace * MOST_SECONDS * EXPECTED)))

    def _count_seconds(self) -> None:
        second = int(asyncio.get_running_loop().time())
        if second != self._second:
            self._given_before = self._given_to_waiting() if second == self._second + 1 else Counter()
            self._given, self._second = Counter(), second

    def _given_to_waiting(self) -> Counter[str]:
        return Counter({caller: self._given[caller] for caller, at in self._waits_since.items() if at < self._second})

    async def take(self, caller: str, most_seconds: float | None) -> None:
        """:raises TimeoutError: no call of `caller` has given its turn back within `most_seconds`."""
        if caller not in self._waiting and self._may_start(caller):
            self._take(caller)
            return
        if most_seconds is not None and self.waiting_of(caller) >= self.room(caller):
            # Without a place in the queue, which would cost more.
            await self._hold_back(caller, most_seconds)
            raise TimeoutError
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        queue = self._waiting.setdefault(caller, {})
        self._waits_since.setdefault(caller, loop.time())
        queue[turn] = None
        self._look_later()
        try:
            async with asyncio.timeout(most_seconds):
                await turn
        except BaseException:
            if turn in queue:
                del queue[turn]
                self._forget_empty(caller)
            else:
                self.give(caller)  # it was given just before
            raise

    async def before_refusal(self, caller: str, seconds: float) -> None:
        """Waits so long before a call of `caller` is refused, while others of its calls wait for turns."""
        if seconds > 0 and self.waiting_of(caller):
            await self._hold_back(caller, seconds)

    async def _hold_back(self, caller: str, seconds: float) -> None:
        """Clients that are told at once and come again at once cost more than those that wait."""
        self._outside += 1
        try:
            await asyncio.sleep(seconds)
            # The refusals of a burst are due at the same moment, and would make one long round of the loop.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SPREAD_SECONDS), self._refusing:
                    while self._most == TURNS and (rest := self._share.rest(caller)):  # noqa: ASYNC110 - no event
                        await asyncio.sleep(rest)
        finally:
            self._outside -= 1

    def _take(self, caller: str) -> None:
        self._count_seconds()
        self._share.count(caller)
        self._given[caller] += 1
        self._taken[caller] += 1

    def give(self, caller: str) -> None:
        self._taken[caller] -= 1
        if self._waiting.get(caller) and self._may_start(caller):
            self._start_next(caller)
        if not self._taken[caller]:
            del self._taken[caller]

    def _start_next(self, caller: str) -> None:
        if queue := self._waiting.get(caller):
            turn = next(iter(queue))
            del queue[turn]
            self._forget_empty(caller)
            self._take(caller)
            # Canceled in this turn of the loop, it still runs, and gives the turn back.
            if not turn.done():
                turn.set_result(None)

    def _may_start(self, caller: str) -> bool:
        most = TURNS_BESIDE_OTHERS if self._most == TURNS and self._share.has_many(caller) else self._most
        return self._taken[caller] < most and not self._rests(caller)

    def _rests(self, caller: str) -> bool:
        """Whether the loop is to be free for others now; then the next calls of `caller` start by a timer."""
        if self._most > TURNS or not (seconds := self._share.rest(caller)):
            return False
        if not self._resting:
            self._resting = True
            asyncio.get_running_loop().call_later(seconds, self._end_rest)
        return True

    def _end_rest(self) -> None:
        self._resting = False
        for caller in list(self._waiting):
            while self._waiting.get(caller) and self._may_start(caller):
                self._start_next(caller)

    def _forget_empty(self, caller: str) -> None:
        if not self._waiting.get(caller, True):
            del self._waiting[caller]
            del self._waits_since[caller]

    def _look_later(self) -> None:
        if not self._looks:
            self._looks = True
            loop = asyncio.get_running_loop()
            due = loop.time() + LOOK_SECONDS
            loop.call_at(due, self._look, due)

    def _look(self, due: float) -> None:
        self._looks = False
        late = asyncio.get_running_loop().time() - due
        self._most = TURNS_WHILE_LATE if late > LATE_SECONDS else TURNS
        for caller in list(self._waiting):
            more = TURNS if late < ON_TIME_SECONDS else self._most - self._taken[caller]
            for _ in range(more):
                if self._rests(caller):
                    break
                self._start_next(caller)
        if self._waiting:
            self._look_later()
        else:
            self._most = TURNS


class _Turn:
    """That of one call."""

    __slots__ = ("_caller", "_turns", "taken")

    def __init__(self, turns: Turns, caller: str) -> None:
        self._turns = turns
        self._caller = caller
        self.taken = False

    async def take(self, most_seconds: float | None = None) -> None:
        await self._turns.take(self._caller, most_seconds)
        self.taken = True

    def give(self) -> None:
        if self.taken:
            self.taken = False
            self._turns.give(self._caller)


_CURRENT: ContextVar[_Turn | None] = ContextVar("turn", default=None)


class SetAside:
    """Lets another call have the turn of the call that this runs in, until the context ends."""

    __slots__ = ("_turn",)

    async def __aenter__(self) -> None:
        turn = _CURRENT.get()
        self._turn = turn if turn and turn.taken else None
        if self._turn:
            self._turn.give()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._turn and kind is None:  # whoever is canceled needs no turn to end
            await self._turn.take()


class TakeTurns:
    def __init__(self, app: ASGIApp, *, turns: Turns, refusals: Refusals) -> None:
        self._app = app
        self._turns = turns
        self._refusals = refusals
        self._logged_at = float("-inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or plain_path(scope) in ALWAYS_TAKEN:
            await self._app(scope, receive, send)
            return
        caller = self._refusals.caller_of(scope)
        turn, loop = _Turn(self._turns, caller), asyncio.get_running_loop()
        refused_at = loop.time() + MOST_SECONDS
        try:
            # A cancel is never refused: it makes room.
            await turn.take(None if scope["method"] == "DELETE" else MOST_SECONDS)
        except TimeoutError:
            self._log(caller)
            reason = f"other calls of this caller have kept this one waiting for {MOST_SECONDS:g} s"
            await self._refusals.too_many(scope, reason)(scope, receive, send)
            return

        async def send_and_give(message: Message) -> None:
            if message["type"] == "http.response.start":
                turn.give()
                if message["status"] == HTTPStatus.TOO_MANY_REQUESTS:
                    await self._turns.before_refusal(caller, refused_at - loop.time())
            await send(message)

        _CURRENT.set(turn)
        try:
            await self._app(scope, receive, send_and_give)
        finally:
            turn.give()

    def _log(self, caller: str) -> None:
        """At most once a second."""
        now = asyncio.get_running_loop().time()
        if now - self._logged_at >= 1:
            self._logged_at = now
            log.warning("calls.kept_waiting", caller=shown(caller), waiting=self._turns.waiting)
