"""Holds calls until their jobs end: in each process, one reader of the events stream wakes the waiting calls.

An event is only a hint. A waiter reads the ledger after it has registered and at the end of its wait, and the reader
reads every awaited job again after a reconnect, so a lost event delays an answer by seconds and never loses it.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, cast

from api.ownership import visible
from api.shared_reads import SharedReads
from api.turns import SetAside
from shared.connection import UNAVAILABLE, blocking_reader
from shared.jobs import JobStatus, is_terminal
from shared.ledger import keys, reads
from shared.observability.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    import redis.asyncio

    from shared.ledger.replies import Reading
    from shared.ledger.run import AsyncLedger

log = get_logger(__name__)
BLOCK_SECONDS = 5.0
BATCH = 500
# Events that follow each other are read together. One reading costs a process 0.6 ms and Redis 0.05 ms for each process
# (docs/growth.md), which a thousand cards with their thousands of events a second would have of every process. One that
# follows none for twice this time is read at once.
TOGETHER_SECONDS = 0.02

Event = tuple[bytes, dict[bytes, bytes]]  # id in the stream, fields


class _Unread:
    """What a waiter is woken with whose job has not ended."""


_Woken = asyncio.Future["Reading | None | _Unread"]


class Waiting:
    def __init__(self, redis_url: str, ledger: AsyncLedger) -> None:
        self._redis_url = redis_url
        self._ledger = ledger
        self.reads = SharedReads(ledger)
        self.last_event = "0-0"  # id of the last event that was read
        self._waiters: dict[str, set[_Woken]] = {}
        self._followers: dict[str, set[Callable[[Reading | None], None]]] = {}
        self.released = False

    @property
    def count(self) -> int:
        """The number of waiters and followers."""
        return sum(len(held) for by_job in (self._waiters, self._followers) for held in by_job.values())

    def release(self) -> None:
        """Ends all present and future waits with the job as last read, because the process is about to end."""
        self.released = True
        for woken in {future for futures in self._waiters.values() for future in futures}:
            _wake(woken)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        reader = asyncio.create_task(self._read_events(), name="events-reader")
        try:
            yield
        finally:
            # One cancel may be lost: on Python 3.11 asyncio.wait_for, which redis-py uses, can swallow a cancellation.
            while not reader.done():
                reader.cancel()
                await asyncio.wait([reader], timeout=0.1)

    async def until_terminal(self, job_id: str, seconds: float, owner: str | None) -> Reading:
        """The job once it is terminal, or as it is after `seconds`.

        :raises shared.errors.JobNotFound: the job is unknown or not `owner`'s; an `owner` of None may see every job.
        """
        woken: _Woken = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(job_id, set()).add(woken)
        try:
            reading = visible(await self.reads.job(job_id), owner, job_id)
            if reading.job.is_terminal:
                return reading
            if self.released:
                return reading
            late = asyncio.get_running_loop().call_later(seconds, _wake, woken)
            try:
                async with SetAside():
                    found = await woken
            finally:
                late.cancel()
            if isinstance(found, _Unread):
                # As the process ends, the answer must leave at once, and Redis may be out of reach.
                found = reading if self.released else await self.reads.job(job_id)
            return visible(found, owner, job_id)
        finally:
            self._waiters[job_id].discard(woken)
            if not self._waiters[job_id]:
                del self._waiters[job_id]

    @contextlib.contextmanager
    def following(self, job_id: str, notify: Callable[[Reading | None], None]) -> Iterator[None]:
        """Calls `notify` with the job after each of its events, and whenever `read_followed` has read it."""
        self._followers.setdefault(job_id, set()).add(notify)
        try:
            yield
        finally:
            self._followers[job_id].discard(notify)
            if not self._followers[job_id]:
                del self._followers[job_id]

    async def read_followed(self) -> bool:
        """Reads all followed jobs, many in one round trip; False if none is followed."""
        await self._read_again(list(self._followers))
        return bool(self._followers)

    async def _read_events(self) -> None:
        while True:
            client = blocking_reader(self._redis_url, BLOCK_SECONDS)
            try:
                # The position in the stream is taken before the awaited jobs are read, so that no event is missed.
                newest = cast("list[Event]", await client.xrevrange(keys.EVENTS, count=1))
                last = newest[0][0] if newest else b"0-0"
                self.last_event = last.decode()
                await self._read_again(list(self._waiters.keys() | self._followers.keys()))
                loop, read_at = asyncio.get_running_loop(), float("-inf")
                while True:
                    if loop.time() - read_at < 2 * TOGETHER_SECONDS:
                        await asyncio.sleep(TOGETHER_SECONDS)
                    events = await _next_events(client, last)
                    read_at = loop.time()
                    await self._read_again(list({job_id for _, event in events if (job_id := self._wanted(event))}))
                    last = events[-1][0] if events else last
                    self.last_event = last.decode()
            except UNAVAILABLE as error:
                log.warning("events.lost", error=repr(error))
                await asyncio.sleep(0.5)
            except Exception:
                # The reader survives any event: without it, every wait would last until its time is over.
                log.exception("events.failed")
                await asyncio.sleep(0.5)
            finally:
                await client.aclose()

    def _wanted(self, event: dict[bytes, bytes]) -> str:
        """The job's id, if a waiter or follower of this process needs the event; else empty."""
        job_id = event[b"job_id"].decode()
        ended = job_id in self._waiters and is_terminal(JobStatus(event[b"status"].decode()))
        return job_id if ended or job_id in self._followers else ""

    async def _read_again(self, job_ids: list[str]) -> None:
        """Reads jobs in batches, notifies their followers and wakes the waiters of those that have ended."""
        for start in range(0, len(job_ids), BATCH):
            batch = job_ids[start : start + BATCH]
            readings = await self._ledger.run_many([reads.job(job_id) for job_id in batch])
            for job_id, reading in zip(batch, readings, strict=True):
                if isinstance(reading, ValueError):
                    # Another version may have written the record. The calls for this job report it when they read it.
                    log.error("job.unreadable", job_id=job_id, error=repr(reading))
                    continue
                for notify in self._followers.get(job_id, ()):
                    notify(reading)
                if reading is None or reading.job.is_terminal:
                    for woken in self._waiters.get(job_id, ()):
                        if not woken.done():
                            woken.set_result(reading)


def _wake(woken: _Woken) -> None:
    if not woken.done():
        woken.set_result(_Unread())


async def _next_events(client: redis.asyncio.Redis, after: bytes) -> list[Event]:
    """The events after the id `after`; an empty list if none arrives within BLOCK_SECONDS."""
    streams = await client.xread({keys.EVENTS: after}, count=BATCH, block=int(BLOCK_SECONDS * 1000))
    return cast("list[tuple[bytes, list[Event]]]", streams)[0][1] if streams else []
