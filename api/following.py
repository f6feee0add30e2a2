"""Delivers the changes of jobs to event streams: each process reads all followed jobs together, twice a second.

A change of status arrives at once through the ledger's events (api/waiting.py). Progress has no events: it is read from
the records, and only while at least one job is followed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING

from shared import errors
from shared.connection import UNAVAILABLE
from shared.ledger import reads
from shared.observability.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from api.waiting import Waiting
    from shared.ledger.replies import Reading
    from shared.ledger.run import AsyncLedger

log = get_logger(__name__)
READ_SECONDS = 0.5


class Following:
    def __init__(self, waiting: Waiting, ledger: AsyncLedger, max_streams_per_caller: int) -> None:
        self._waiting = waiting
        self._ledger = ledger
        self._max_streams = max_streams_per_caller
        self._streams: Counter[str] = Counter()
        self._reader: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def slot(self, caller: str) -> Iterator[None]:
        """Counts one open stream of `caller` until the context ends.

        :raises errors.TooManyStreams: the caller has as many streams open as it may.
        """
        if self._streams[caller] >= self._max_streams:
            raise errors.TooManyStreams(
                f"{self._max_streams} streams of this caller are open here, the bound is {self._max_streams}",
                retry_after_seconds=5,
            )
        self._streams[caller] += 1
        try:
            yield
        finally:
            self._streams[caller] -= 1
            if not self._streams[caller]:
                del self._streams[caller]

    async def readings(self, job_id: str) -> AsyncGenerator[Reading]:
        """The job now, then each newer reading, until its record is gone. A slow consumer gets only the newest."""
        newest: asyncio.Queue[Reading | None] = asyncio.Queue(1)

        def keep_newest(reading: Reading | None) -> None:
            if newest.full():
                newest.get_nowait()
            newest.put_nowait(reading)

        with self._waiting.following(job_id, keep_newest):
            if self._reader is None or self._reader.done():
                self._reader = asyncio.create_task(self._read_while_followed(), name="followed-reader")
            # The first read follows the registration, so that no change in between is missed.
            reading = await self._ledger.run(reads.job(job_id))
            while reading:
                yield reading
                reading = await newest.get()

    async def _read_while_followed(self) -> None:
        followed = True
        while followed:
            await asyncio.sleep(READ_SECONDS)
            try:
                followed = await self._waiting.read_followed()
            except UNAVAILABLE as error:
                log.warning("followed.unread", error=repr(error))
