"""ASGI middleware that lets the calls of each caller take turns: many calls of one keep no other caller waiting.

A process does the work of all its calls on one thread, in the order in which they came: a poll behind three hundred
calls of another caller would wait for all of them. So a caller has TURNS calls at work; its others wait for one of
these, and cost next to nothing meanwhile. A call gives its turn back when its answer begins, and while it waits for a
job.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from contextvars import ContextVar
from typing import TYPE_CHECKING

from api.auth import shown
from api.overload import ALWAYS_TAKEN, plain_path, refusal
from shared.errors import TooManyRequests
from shared.observability.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = get_logger(__name__)
# Several, because a call at work also waits for Redis, and polls at work together share their round trips.
TURNS = 4
# A loop that is no later than this is not kept busy by the calls at work: they wait for Redis. Then more may start, so
# that no call waits for the time-outs of those before it.
ON_TIME_SECONDS = 0.005
LOOK_SECONDS = 0.05
# Many clients give up soon after it; a refusal tells them when to come again.
MOST_SECONDS = 5.0


class Turns:
    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._looks = False

    @property
    def waiting(self) -> int:
        """The number of calls that wait for a turn."""
        return sum(map(len, self._waiting.values()))

    async def take(self, caller: str, most_seconds: float | None) -> None:
        """:raises TimeoutError: no call of `caller` has given its turn back within `most_seconds`."""
        if self._taken[caller] < TURNS:
            self._taken[caller] += 1
            return
        turn = asyncio.get_running_loop().create_future()
        queue = self._waiting.setdefault(caller, deque())
        queue.append(turn)
        self._look_later()
        try:
            async with asyncio.timeout(most_seconds):
                await turn
        except BaseException:
            if turn in queue:
                queue.remove(turn)
                self._forget_empty(caller)
            else:
                self.give(caller)  # it was given just before
            raise

    def give(self, caller: str) -> None:
        self._taken[caller] -= 1
        if self._taken[caller] < TURNS:
            self._start_next(caller)
        if not self._taken[caller]:
            del self._taken[caller]

    def _start_next(self, caller: str) -> None:
        if queue := self._waiting.get(caller):
            turn = queue.popleft()
            self._forget_empty(caller)
            self._taken[caller] += 1
            # Canceled in this turn of the loop, it still runs, and gives the turn back.
            if not turn.done():
                turn.set_result(None)

    def _forget_empty(self, caller: str) -> None:
        if not self._waiting.get(caller, True):
            del self._waiting[caller]

    def _look_later(self) -> None:
        if not self._looks:
            self._looks = True
            loop = asyncio.get_running_loop()
            due = loop.time() + LOOK_SECONDS
            loop.call_at(due, self._look, due)

    def _look(self, due: float) -> None:
        self._looks = False
        if asyncio.get_running_loop().time() - due < ON_TIME_SECONDS:
            for caller in list(self._waiting):
                for _ in range(TURNS):
                    self._start_next(caller)
        if self._waiting:
            self._look_later()


class _Turn:
    """That of one call."""

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


@contextlib.asynccontextmanager
async def set_aside() -> AsyncIterator[None]:
    """Lets another call have the turn of the call that this runs in, until the context ends."""
    turn = _CURRENT.get()
    if turn is None or not turn.taken:
        yield
        return
    turn.give()
    yield  # whoever is canceled needs no turn to end
    await turn.take()


class TakeTurns:
    def __init__(self, app: ASGIApp, *, turns: Turns, caller_of: Callable[[Scope], str]) -> None:
        self._app = app
        self._turns = turns
        self._caller_of = caller_of
        self._logged_at = float("-inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or plain_path(scope) in ALWAYS_TAKEN:
            await self._app(scope, receive, send)
            return
        turn = _Turn(self._turns, caller := self._caller_of(scope))
        try:
            await turn.take(MOST_SECONDS)
        except TimeoutError:
            self._log(caller)
            message = f"other calls of this caller have kept this one waiting for {MOST_SECONDS:g} s; try again later"
            await refusal(plain_path(scope), 429, TooManyRequests.code, message)(scope, receive, send)
            return

        async def send_and_give(message: Message) -> None:
            if message["type"] == "http.response.start":
                turn.give()
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
