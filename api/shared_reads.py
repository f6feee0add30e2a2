"""Reads of jobs that many calls ask for at the same moment: those of one turn of the loop share a round trip."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shared.ledger import reads

if TYPE_CHECKING:
    from shared.ledger.replies import Reading
    from shared.ledger.run import AsyncLedger

# Jobs of one round trip, so that a reply is bounded.
BATCH = 500
# Round trips at the same time: requests of a burst arrive over many turns, and each round trip takes a connection.
MOST_TRIPS = 32


class SharedReads:
    """A burst of thousands of waits and polls takes a few connections this way, instead of one for each."""

    def __init__(self, ledger: AsyncLedger) -> None:
        self._ledger = ledger
        self._asked: dict[str, list[asyncio.Future[Reading | None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._trips = asyncio.Semaphore(MOST_TRIPS)

    async def job(self, job_id: str) -> Reading | None:
        """The job as it is after this call; None for an unknown one. Raises what the ledger raises."""
        # Of each caller its own, so that one who is canceled takes nothing from the others.
        reading: asyncio.Future[Reading | None] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(job_id, []).append(reading)
        if len(self._asked) == len(self._asked[job_id]) == 1:
            # It runs once all that is ready in this turn of the loop has asked.
            task = asyncio.create_task(self._read(), name="shared-reads")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await reading

    async def _read(self) -> None:
        async with self._trips:
            # All that has asked meanwhile too.
            asked, self._asked = self._asked, {}
            await self._answer(asked)

    async def _answer(self, asked: dict[str, list[asyncio.Future[Reading | None]]]) -> None:
        job_ids = list(asked)
        for start in range(0, len(job_ids), BATCH):
            batch = job_ids[start : start + BATCH]
            try:
                readings = await self._readings(batch)
            except Exception as error:  # noqa: BLE001 - whatever it is, each caller gets it
                readings = [error] * len(batch)
            for job_id, reading in zip(batch, readings, strict=True):
                for future in asked[job_id]:
                    if future.done():
                        continue  # its caller is gone
                    if isinstance(reading, Exception):
                        future.set_exception(reading)
                    else:
                        future.set_result(reading)

    async def _readings(self, job_ids: list[str]) -> list[Reading | Exception | None]:
        if len(job_ids) == 1:
            reading = await self._ledger.run(reads.job(job_ids[0]))
            return [reading]
        return [*await self._ledger.run_many([reads.job(job_id) for job_id in job_ids])]
