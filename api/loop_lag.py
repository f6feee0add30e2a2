"""Measures how late the event loop of this process is: how long what is ready waits for its turn.

A burst of calls makes the loop late, and a late loop makes time-outs fire although the answer is there. So the lag
tells whether a time-out is Redis' fault or this process's own.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from shared.observability.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator

log = get_logger(__name__)
EVERY_SECONDS = 0.05
# Late enough for a time-out of Redis' client to fire although the answer is there: they are of 0.5 s and more.
LATE_SECONDS = 0.3
# A time-out that a late loop let fire is handled within this time after it.
RECENT_SECONDS = 2.0


class LoopLag:
    def __init__(self, bound_seconds: float) -> None:
        """:param bound_seconds: with a lag of more the process is to refuse new calls; it is logged, once a second."""
        self._bound = bound_seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._due = 0.0  # when the timer of `_measure` is to run
        self._late: list[tuple[float, float]] = []  # (when, seconds) of each lag over LATE_SECONDS, of RECENT_SECONDS
        self._logged_at = float("-inf")

    @property
    def seconds(self) -> float:
        """How late the loop is at this moment; 0 while it is not measured."""
        return max(0.0, self._loop.time() - self._due) if self._loop else 0.0

    @property
    def recent_seconds(self) -> float:
        """The most within the last RECENT_SECONDS."""
        since = self._loop.time() - RECENT_SECONDS if self._loop else 0.0
        return max([self.seconds, *(seconds for at, seconds in self._late if at >= since)])

    @property
    def is_late(self) -> bool:
        return self.seconds > self._bound

    @property
    def was_late(self) -> bool:
        return self.recent_seconds > LATE_SECONDS

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time()
        timer = self._loop.call_soon(self._measure)
        try:
            yield
        finally:
            self._loop = None
            timer.cancel()

    def _measure(self) -> None:
        if self._loop is None:
            return
        now, lag = self._loop.time(), self.seconds
        self._late = [(at, seconds) for at, seconds in self._late if at >= now - RECENT_SECONDS]
        if lag > LATE_SECONDS:
            self._late.append((now, lag))
        if lag > self._bound and now - self._logged_at >= 1:
            self._logged_at = now
            log.warning("loop.late", seconds=round(lag, 2))
        self._due = now + EVERY_SECONDS
        self._loop.call_at(self._due, self._measure)
