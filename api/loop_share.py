"""How much of the event loop's time goes to callers with many calls while a caller with few is there.

A call advances by one step in each round of the loop, and takes six or more. Where the calls of one caller keep the
loop busy all the time, each step of everyone waits for a whole round of them. So the calls of a caller with many start
until SHARE of each WINDOW_SECONDS is used, and the loop is free for others in the rest.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW_SECONDS = 0.02
SHARE = 0.5
# Callers of so long ago count as there: an app polls every second or two.
PERIOD_SECONDS = 4
# A caller with more calls than these, and than so many times those of the caller with the fewest, is one with many.
MANY_A_SECOND = 10
TIMES_THE_FEWEST = 4


class LoopShare:
    def __init__(
        self, clock: Callable[[], float] = time.monotonic, cpu_clock: Callable[[], float] = time.thread_time
    ) -> None:
        """:param cpu_clock: CPU time of the loop's thread, in seconds."""
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._period = 0
        self._calls: Counter[str] = Counter()  # by caller, in this period
        self._calls_before: Counter[str] = Counter()  # in the one before
        self._bound = float("inf")  # of calls in a period; a caller with more has many
        self._window_end = 0.0
        self._used_before = 0.0  # CPU time until the window began

    def count(self, caller: str) -> None:
        """A call of `caller` starts."""
        period = int(self._clock() // PERIOD_SECONDS)
        if period != self._period:
            self._calls_before = self._calls if period == self._period + 1 else Counter()
            self._calls, self._period, self._bound = Counter(), period, float("inf")
            if len(self._calls_before) > 1:
                fewest = min(self._calls_before.values())
                self._bound = max(MANY_A_SECOND * PERIOD_SECONDS, TIMES_THE_FEWEST * fewest)
        self._calls[caller] += 1

    def has_many(self, caller: str) -> bool:
        """Whether `caller` has many calls, and another has few."""
        return max(self._calls[caller], self._calls_before[caller]) > self._bound

    def rest(self, caller: str) -> float:
        """Seconds until the next call of `caller` may start; 0 for one that may start now."""
        if not self.has_many(caller):
            return 0.0
        now, used = self._clock(), self._cpu_clock()
        if now >= self._window_end:
            self._window_end, self._used_before = now + WINDOW_SECONDS, used
        return self._window_end - now if used - self._used_before > SHARE * WINDOW_SECONDS else 0.0
