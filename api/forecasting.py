"""The estimates of this process: one look at the queue a second, however many ask."""

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


class Forecasts:
    def __init__(self, ledger: AsyncLedger) -> None:
        self._ledger = ledger
        self._forecast = UNKNOWN
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()
        self._ahead: asyncio.Task[Forecast] | None = None

    def look_ahead(self) -> None:
        """Begins a look that is due, beside the caller's own work; `current` then waits for what is left of it."""
        if not self._fresh() and not self._looking.locked():
            self._ahead = asyncio.create_task(self.current(), name="forecast")

    async def current(self) -> Forecast:
        """Never fails: an answer without an estimate is better than none."""
        async with self._looking:
            if not self._fresh():
                try:
                    seen = await self._ledger.run(outlook())
                    self._forecast = Forecast(seen, seen.ready_workers, seen.pace)
                except UNAVAILABLE as error:
                    log.warning("forecast.unavailable", error=repr(error))
                    self._forecast = UNKNOWN
                self._looked_at = time.monotonic()
        return self._forecast

    async def close(self) -> None:
        """Ends a look that nobody has waited for."""
        if self._ahead is not None:
            self._ahead.cancel()
            await asyncio.wait([self._ahead])

    def _fresh(self) -> bool:
        return time.monotonic() - self._looked_at < FRESH_SECONDS
