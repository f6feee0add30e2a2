"""Keeps the forecast of this process: reads the outlook from the ledger at most once a second, beside the calls that
use it. Only a call that finds none, or one that is old, waits for it.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from api.forecast import UNKNOWN, Forecast
from shared.connection import UNAVAILABLE
from shared.ledger.outlook import outlook
from shared.observability.logging import get_logger

if TYPE_CHECKING:
    from shared.ledger.run import AsyncLedger

log = get_logger(__name__)
FRESH_SECONDS = 1.0
# A long queue is looked at less often, because a look costs Redis and this process so much for each of its jobs, and
# changes it less: by this for each queued job, up to MOST_FRESH_SECONDS.
FRESH_SECONDS_A_JOB = 0.002
MOST_FRESH_SECONDS = 4.0
# A forecast counts down by itself: for this long it says much the same as a newer one.
USABLE_SECONDS = 5.0
# Longer than any command of the API's client takes to fail.
CLOSE_SECONDS = 2.0


class Forecasts:
    def __init__(self, ledger: AsyncLedger) -> None:
        self._ledger = ledger
        self._forecast = UNKNOWN
        self._looked_at = float("-inf")  # by the monotonic clock
        self._reading = asyncio.Lock()
        self._ahead: asyncio.Task[Forecast] | None = None

    def prefetch(self) -> None:
        """Starts a refresh that is due in the background; a later `current` waits for the rest of it, if at all."""
        fresh = min(MOST_FRESH_SECONDS, FRESH_SECONDS + FRESH_SECONDS_A_JOB * self._forecast.looked_at)
        if self._age_seconds() >= fresh and (self._ahead is None or self._ahead.done()):
            self._ahead = asyncio.create_task(self._refreshed(fresh), name="forecast")

    async def current(self) -> Forecast:
        """The latest forecast. Without Redis it has no estimates: an answer without one is better than an error."""
        if self._age_seconds() >= USABLE_SECONDS:
            return await self._refreshed(USABLE_SECONDS)
        self.prefetch()
        return self._forecast

    async def _refreshed(self, after_seconds: float) -> Forecast:
        """The forecast, read again if it is older than this."""
        async with self._reading:
            if self._age_seconds() >= after_seconds:
                try:
                    seen = await self._ledger.run_alone(outlook())
                    self._forecast = Forecast(seen, seen.ready_workers, seen.pace)
                except UNAVAILABLE as error:
                    log.warning("forecast.unavailable", error=repr(error))
                    self._forecast = UNKNOWN
                self._looked_at = time.monotonic()
        return self._forecast

    async def close(self) -> None:
        """Waits for a look that nobody has waited for: canceled while it connects, redis-py leaves a socket open."""
        if self._ahead is not None:
            await asyncio.wait([self._ahead], timeout=CLOSE_SECONDS)

    def _age_seconds(self) -> float:
        return time.monotonic() - self._looked_at
