"""Held calls that are cut: how that is noticed, and how the repeat of such a call joins its job.

A connection that ends before the last byte of the answer has cut its call. Because a proxy, or this machine itself, may
have taken the whole answer long before its client, the last byte follows LAST_BYTE_SECONDS after the others. A call
whose answer was sent whole is over: an equal one is a wish for another drawing. Only of a caller whose calls were cut
lately, an equal call within seconds, over another connection, is taken for a repeat. Whether a call is alive is in the
ledger (shared/ledger/calls.py), so that the repeat may come to another process.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

from shared.connection import UNAVAILABLE
from shared.errors import LogoError, ServiceUnavailable
from shared.ledger import calls
from shared.ledger.calls import End
from shared.observability.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from typing import Any

    from starlette.requests import Request
    from starlette.types import Receive

    from shared.ledger.calls import Call
    from shared.ledger.run import AsyncLedger

log = get_logger(__name__)
T = TypeVar("T")
LAST_BYTE_SECONDS = 0.2
KEEP_SECONDS = calls.LEASE_SECONDS / 3
AGAIN_SECONDS = 0.5
MOST_DOUBTED = 10_000
BATCH = 500


class CallerGone(Exception):
    """The connection of a held call has ended before its answer."""


@dataclass(frozen=True, slots=True)
class Source:
    """Who makes a call, and over which connection; a port of 0 is not known."""

    caller: str
    connection: tuple[str, int]


class HeldCall:
    """A call from its submit to the end of its answer. As a context manager around the work before the answer, it
    watches the connection, and notes an error as the call's end.
    """

    def __init__(self, held: HeldCalls, call: Call | None, receive: Receive, source: Source) -> None:
        """:param call: None for one whose end means nothing to its job.
        :param receive: of a request whose body has been read.
        """
        self._held = held
        self._receive = receive
        self.source = source
        self._gone: asyncio.Task[None] | None = None
        self.call = call
        self.job_id = ""  # until it is known which job the call created or joined
        self.ended = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._gone = asyncio.create_task(self._disconnected())
        if self.call:
            await self._held.begin(self, self.call)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if self._gone:
            self._gone.cancel()
        if isinstance(error, CallerGone):
            self.end(End.CUT)
        elif error is not None:
            # After an answer of Redis' that did not come, the job may exist.
            unknown = isinstance(error, ServiceUnavailable) or isinstance(error.__cause__, UNAVAILABLE)
            if isinstance(error, LogoError) and not unknown and not self.job_id:
                self._held.forget(self)
            else:
                self.end(End.TOLD)

    @property
    def gone(self) -> bool:
        """Whether the connection has ended."""
        return self._gone is not None and self._gone.done()

    async def unless_gone(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, which is canceled when the connection ends.

        :raises CallerGone: the connection has ended first.
        """
        assert self._gone is not None  # noqa: S101 - entered
        working = asyncio.ensure_future(work)
        try:
            await asyncio.wait({working, self._gone}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            raise CallerGone
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    async def sending(self, body: AsyncIterator[bytes], length: int) -> AsyncIterator[bytes]:
        """The `length` bytes of the answer; whoever sends them must call `end` where they do not reach their end."""
        sent = 0
        async for chunk in body:
            sent += len(chunk)
            if sent < length or self.call is None:
                yield chunk
                continue
            yield chunk[:-1]
            await asyncio.sleep(LAST_BYTE_SECONDS)
            yield chunk[-1:]
            self.end(self._held.delivered(self))

    async def ending(self, how: End) -> AsyncIterator[bytes]:
        """The end of an answer without a length: a comment of an event stream, held back like a last byte."""
        if self.call:
            await asyncio.sleep(LAST_BYTE_SECONDS)
            yield b": end\n\n"
        self.end(self._held.delivered(self) if how is End.DELIVERED else how)

    def end(self, how: End) -> None:
        """Only the first of several ends counts."""
        call, self.call = self.call, None
        self.ended.set()
        if call:
            if how is End.CUT:
                log.info("call.cut", job_id=self.job_id)
                self._held.doubt(self.source.caller)
            # Of a submit whose reply was lost, the job has the call's id.
            self._held.note(call, self.job_id or call.id, how)

    async def _disconnected(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


class HeldCalls:
    """The held calls of this process; renews them in the ledger, and writes their ends there."""

    def __init__(self, ledger: AsyncLedger, rejoin_seconds: float) -> None:
        """:param rejoin_seconds: 0: no call joins another's job, and none is canceled."""
        self._ledger = ledger
        self._rejoin_seconds = rejoin_seconds
        self._open: dict[str, HeldCall] = {}  # by call id
        self._doubted: dict[str, float] = {}  # until when a caller's calls may be cut unseen, the oldest first
        self._echoed: dict[tuple[str, int], tuple[Call, str]] = {}  # what was sent last over a doubted connection
        self._ended: dict[str, tuple[Call, str, End]] = {}  # ends that are not in the ledger yet, by call id
        self._writing = asyncio.Lock()
        self._wake = asyncio.Event()

    def hold(self, sent: Request, caller: str, request: str, *, keyed: bool = False) -> HeldCall:
        """:param request: what makes two calls of the caller equal.
        :param keyed: an idempotency key says which job it is, and for longer.
        """
        joins = self._rejoin_seconds and not keyed
        call = calls.call(str(uuid.uuid4()), caller, request, self._rejoin_seconds) if joins else None
        return HeldCall(
            self,
            call,
            sent.receive,
            Source(caller, (sent.client.host, sent.client.port)) if sent.client else Source(caller, ("", 0)),
        )

    async def begin(self, held: HeldCall, call: Call) -> None:
        """Waits until the ends of equal calls are written: a repeat may be faster than the end of what it repeats."""
        for twin in list(self._open.values()):
            if twin.gone and twin.call and twin.call.twins == call.twins:
                await twin.ended.wait()
        self._open[call.id] = held
        # A next request over the same connection proves that the last answer has arrived.
        if echoed := self._echoed.pop(held.source.connection, None):
            self.note(*echoed, End.DELIVERED)
        if any(ended.twins == call.twins for ended, _, _ in self._ended.values()):
            with contextlib.suppress(*UNAVAILABLE):
                await self._write_ends()

    def note(self, call: Call, job_id: str, how: End) -> None:
        self._open.pop(call.id, None)
        self._ended[call.id] = (call, job_id, how)
        self._wake.set()

    def doubt(self, caller: str) -> None:
        """From now on, answers to this caller may be lost though they were sent."""
        self._doubted.pop(caller, None)
        self._doubted[caller] = time.monotonic() + self._rejoin_seconds
        if len(self._doubted) > MOST_DOUBTED:
            del self._doubted[next(iter(self._doubted))]

    def delivered(self, held: HeldCall) -> End:
        """How a call ends whose whole answer was sent."""
        if self._doubted.get(held.source.caller, 0.0) < time.monotonic():
            return End.DELIVERED
        if held.call and held.source.connection[1]:
            self._echoed[held.source.connection] = (held.call, held.job_id)
            if len(self._echoed) > MOST_DOUBTED:
                del self._echoed[next(iter(self._echoed))]
        return End.ECHOED

    def forget(self, held: HeldCall) -> None:
        """Ends a call that has no job."""
        if held.call:
            self._open.pop(held.call.id, None)
            held.call = None
            held.ended.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        writer = asyncio.create_task(self._write(), name="held-calls")
        try:
            yield
        finally:
            # As in api/waiting.py: one cancel may be lost.
            while not writer.done():
                writer.cancel()
                await asyncio.wait([writer], timeout=0.1)
            with contextlib.suppress(*UNAVAILABLE):
                await self._write_ends()

    async def _write(self) -> None:
        kept_at = time.monotonic()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, kept_at + KEEP_SECONDS - time.monotonic())):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._write_ends()
                if time.monotonic() - kept_at >= KEEP_SECONDS:
                    kept_at = time.monotonic()
                    await self._keep()
            except UNAVAILABLE as error:
                log.warning("calls.unwritten", error=repr(error))
                await asyncio.sleep(AGAIN_SECONDS)
                self._wake.set()

    async def _write_ends(self) -> None:
        async with self._writing:
            while ended := list(self._ended.items())[:BATCH]:
                await self._ledger.run_many([calls.let_go(*end) for _, end in ended])
                for call_id, _ in ended:
                    self._ended.pop(call_id, None)

    async def _keep(self) -> None:
        alive = [held.job_id for held in self._open.values()]
        for start in range(0, len(alive), BATCH):
            await self._ledger.run(calls.keep(round(self._rejoin_seconds * 1000), alive[start : start + BATCH]))
