"""The estimates of this process: one look at the queue a second, however many ask."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, cast

from shared import forecast, pace, workers
from shared.connection import UNAVAILABLE
from shared.forecast import UNKNOWN, Forecast
from shared.logging import get_logger

if TYPE_CHECKING:
    from shared.scripts import AsyncLedger

log = get_logger(__name__)
FRESH_SECONDS = 1.0


class Forecasts:
    def __init__(self, jobs: AsyncLedger) -> None:
        self._jobs = jobs
        self._forecast = UNKNOWN
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()

    async def current(self) -> Forecast:
        """Never fails: an answer without an estimate is better than none."""
        async with self._looking:
            if time.monotonic() - self._looked_at >= FRESH_SECONDS:
                try:
                    self._forecast = await self._look()
                except UNAVAILABLE as error:
                    log.warning("forecast.unavailable", error=repr(error))
                    self._forecast = UNKNOWN
                self._looked_at = time.monotonic()
        return self._forecast

    async def _look(self) -> Forecast:
        client = self._jobs.client
        ready = [worker for worker in await workers.live(client) if worker.ready]
        model = ready[0].model if ready else ""
        record = cast("dict[bytes, bytes]", await client.hgetall(pace.key(model)))
        measured = pace.Pace({field.decode(): float(value) for field, value in record.items()})
        return Forecast(await self._jobs.run(forecast.outlook()), len(ready), measured)
