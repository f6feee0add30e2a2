"""Waiting for jobs: one reader of the events stream per process wakes the futures of that process's waiters.

An event is only a hint. A waiter reads the ledger after it has registered and at the end of its wait, and all are read
again after each reconnect: a lost event costs seconds, never an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, cast

from api.ownership import visible
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

Event = tuple[bytes, dict[bytes, bytes]]  # its id in the stream, its fields


class Waiting:
    def __init__(self, redis_url: str, ledger: AsyncLedger) -> None:
        self._redis_url = redis_url
        self._ledger = ledger
        self.last_event = "0-0"  # the id of the last one that was read
        self._waiters: dict[str, set[asyncio.Future[Reading | None]]] = {}
        self._followers: dict[str, set[Callable[[Reading | None], None]]] = {}
        self.released = False

    @property
    def count(self) -> int:
        """How many wait or follow."""
        return sum(len(held) for by_job in (self._waiters, self._followers) for held in by_job.values())

    def release(self) -> None:
        """The process is about to end: every wait, and each that is yet to come, ends with the job as it was read."""
        self.released = True
        for woken in {future for futures in self._waiters.values() for future in futures}:
            woken.cancel()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        reader = asyncio.create_task(self._read_events(), name="events-reader")
        try:
            yield
        finally:
            # More than once: on Python 3.11 asyncio.wait_for, which redis-py uses, can swallow a cancellation.
            while not reader.done():
                reader.cancel()
                await asyncio.wait([reader], timeout=0.1)

    async def until_terminal(self, job_id: str, seconds: float, owner: str | None) -> Reading:
        """The job once it is terminal, or as it is when `seconds` are over.

        :raises shared.errors.JobNotFound: unknown, or another owner's; whosever it is for None.
        """
        woken: asyncio.Future[Reading | None] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(job_id, set()).add(woken)
        try:
            reading = visible(await self._ledger.run(reads.job(job_id)), owner, job_id)
            if reading.job.is_terminal:
                return reading
            if not self.released:
                await asyncio.wait([woken], timeout=seconds)
            if self.released:
                # Not read again: the answer must leave at once, and Redis may be away just now.
                read_again = woken.result() if woken.done() and not woken.cancelled() else reading
            else:
                read_again = woken.result() if woken.done() else await self._ledger.run(reads.job(job_id))
            return visible(read_again, owner, job_id)
        finally:
            self._waiters[job_id].discard(woken)
            if not self._waiters[job_id]:
                del self._waiters[job_id]

    @contextlib.contextmanager
    def following(self, job_id: str, tell: Callable[[Reading | None], None]) -> Iterator[None]:
        """`tell` gets the job each time it has been read anew: after each of its events, and by `read_followed`."""
        self._followers.setdefault(job_id, set()).add(tell)
        try:
            yield
        finally:
            self._followers[job_id].discard(tell)
            if not self._followers[job_id]:
                del self._followers[job_id]

    async def read_followed(self) -> bool:
        """Reads what is followed, in one round trip for many jobs; False when nothing is."""
        await self._read_again(list(self._followers))
        return bool(self._followers)

    async def _read_events(self) -> None:
        while True:
            client = blocking_reader(self._redis_url, BLOCK_SECONDS)
            try:
                # The end of the stream is taken first and the waiters are read after it, so nothing falls in between.
                newest = cast("list[Event]", await client.xrevrange(keys.EVENTS, count=1))
                last = newest[0][0] if newest else b"0-0"
                self.last_event = last.decode()
                await self._read_again(list(self._waiters.keys() | self._followers.keys()))
                while True:
                    events = await _next_events(client, last)
                    await self._read_again(list({job_id for _, event in events if (job_id := self._wanted(event))}))
                    last = events[-1][0] if events else last
                    self.last_event = last.decode()
            except UNAVAILABLE as error:
                log.warning("events.lost", error=repr(error))
                await asyncio.sleep(0.5)
            except Exception:
                # Without its reader every wait would last to its end: whatever an event may hold, it goes on.
                log.exception("events.failed")
                await asyncio.sleep(0.5)
            finally:
                await client.aclose()

    def _wanted(self, event: dict[bytes, bytes]) -> str:
        """The job of the event, if somebody here waits for it; else empty."""
        job_id = event[b"job_id"].decode()
        ended = job_id in self._waiters and is_terminal(JobStatus(event[b"status"].decode()))
        return job_id if ended or job_id in self._followers else ""

    async def _read_again(self, job_ids: list[str]) -> None:
        """Reads jobs, pipelined, tells those who follow them and wakes those who wait for what has ended."""
        for start in range(0, len(job_ids), BATCH):
            batch = job_ids[start : start + BATCH]
            readings = await self._ledger.run_many([reads.job(job_id) for job_id in batch])
            for job_id, reading in zip(batch, readings, strict=True):
                if isinstance(reading, ValueError):
                    # Of another version, say. Its own calls say so when they read it.
                    log.error("job.unreadable", job_id=job_id, error=repr(reading))
                    continue
                for tell in self._followers.get(job_id, ()):
                    tell(reading)
                if reading is None or reading.job.is_terminal:
                    for woken in self._waiters.get(job_id, ()):
                        if not woken.done():
                            woken.set_result(reading)


async def _next_events(client: redis.asyncio.Redis, after: bytes) -> list[Event]:
    """What came after an id; waits for BLOCK_SECONDS, then an empty list."""
    streams = await client.xread({keys.EVENTS: after}, count=BATCH, block=int(BLOCK_SECONDS * 1000))
    return cast("list[tuple[bytes, list[Event]]]", streams)[0][1] if streams else []
