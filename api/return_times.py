"""When refused calls are to come again: those of one caller one after the other, at a rate that a process answers.

Calls that all come back within a few seconds, whatever their number, are the same burst again: a process that is busy
refusing them answers none.
"""

from __future__ import annotations

import math
import random
import time

# A process on a slow core answers more polls than this, beside those that never were refused.
A_SECOND = 300.0
# Of one that is late, for each core that it gets: it is busy refusing, or shares its core with other work.
A_SECOND_LATE = 400.0
# What a late process gets of a core is measured over this time; before that it counts as LEAST_OF_A_CORE.
MEASURED_SECONDS = 1.0
LEAST_OF_A_CORE = 0.3
# Nobody is told to stay away for longer, for instance because others of its key do not obey.
MOST_SECONDS = 90
_SWEEP_OVER = 1000  # callers


class ReturnTimes:
    def __init__(self) -> None:
        self._looked_at = float("-inf")
        self._used = 0.0  # CPU time in seconds, until then
        self._of_a_core = LEAST_OF_A_CORE
        self._next: dict[str, float] = {}  # when the next one of each caller is to come back

    def seconds(self, caller: str, *, late: bool = False) -> int:
        """In how many seconds a call of `caller` that is refused now is to come again, from 1 to MOST_SECONDS.

        :param late: whether the process was late within the last seconds.
        """
        now = time.monotonic()
        rate = A_SECOND_LATE * self._core(now) if late else A_SECOND
        at = max(self._next.get(caller, 0.0), now) + 1 / rate
        if at - now > MOST_SECONDS:
            return random.randint(1, MOST_SECONDS)  # noqa: S311 - no secret
        self._next[caller] = at
        if len(self._next) > _SWEEP_OVER:
            self._next = {name: when for name, when in self._next.items() if when > now}
        return max(1, math.ceil(at - now))

    def _core(self, now: float) -> float:
        """What the process gets of a core, from LEAST_OF_A_CORE to 1: what it used lately, because a late one uses all
        that it gets.
        """
        if (past := now - self._looked_at) >= MEASURED_SECONDS:
            used = time.process_time()
            # A longer time has some in which the process had nothing to do.
            known = past < 2 * MEASURED_SECONDS
            self._of_a_core = min(1.0, max(LEAST_OF_A_CORE, (used - self._used) / past)) if known else LEAST_OF_A_CORE
            self._looked_at, self._used = now, used
        return self._of_a_core
