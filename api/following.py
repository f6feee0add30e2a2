"""Jobs as they change, for those who stream them: one reading of all followed jobs twice a second, in each process.

Changes of status come at once, by the events stream (api/waiting.py); progress has no events and is read from the
records, only while somebody follows.
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
    from collections.abc import AsyncIterator, Iterator

    from api.waiting import Waiting
    from shared.ledger.replies import Reading
    from shared.ledger.run import AsyncLedger

log = get_logger(__name__)
READ_SECONDS = 0.5


class Following:
    def __init__(self, waiting: Waiting, ledger: AsyncLedger, most_per_caller: int) -> None:
        self._waiting = waiting
        self._ledger = ledger
        self._most = most_per_caller
        self._streams: Counter[str] = Counter()
        self._reader: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def slot(self, caller: str) -> Iterator[None]:
        """:raises errors.TooManyStreams: this caller holds as many streams as it may."""
        if self._streams[caller] >= self._most:
            raise errors.TooManyStreams(
                f"{self._most} streams of this caller are open here, the bound is {self._most}", retry_after_seconds=5
            )
        self._streams[caller] += 1
        try:
            yield
        finally:
            self._streams[caller] -= 1
            if not self._streams[caller]:
                del self._streams[caller]

    async def readings(self, job_id: str) -> AsyncIterator[Reading]:
        """The job as it is, then each newer reading of it; ends with the record. Who is slow gets the newest only."""
        newest: asyncio.Queue[Reading | None] = asyncio.Queue(1)

        def tell(reading: Reading | None) -> None:
            if newest.full():
                newest.get_nowait()
            newest.put_nowait(reading)

        with self._waiting.following(job_id, tell):
            if self._reader is None or self._reader.done():
                self._reader = asyncio.create_task(self._read_on(), name="followed-reader")
            # Read after it is followed, so that nothing falls in between.
            reading = await self._ledger.run(reads.job(job_id))
            while reading:
                yield reading
                reading = await newest.get()

    async def _read_on(self) -> None:
        followed = True
        while followed:
            await asyncio.sleep(READ_SECONDS)
            try:
                followed = await self._waiting.read_followed()
            except UNAVAILABLE as error:
                log.warning("followed.unread", error=repr(error))
