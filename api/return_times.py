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
# Of one that is late, because it shares its core or is busy refusing.
A_SECOND_LATE = 150.0
# Nobody is told to stay away for longer, for instance because others of its key do not obey.
MOST_SECONDS = 90
_SWEEP_OVER = 1000  # callers


class ReturnTimes:
    def __init__(self) -> None:
        self._next: dict[str, float] = {}  # when the next one of each caller is to come back

    def seconds(self, caller: str, *, late: bool = False) -> int:
        """In how many seconds a call of `caller` that is refused now is to come again, from 1 to MOST_SECONDS.

        :param late: whether the process was late within the last seconds.
        """
        now = time.monotonic()
        at = max(self._next.get(caller, 0.0), now) + 1 / (A_SECOND_LATE if late else A_SECOND)
        if at - now > MOST_SECONDS:
            return random.randint(1, MOST_SECONDS)  # noqa: S311 - no secret
        self._next[caller] = at
        if len(self._next) > _SWEEP_OVER:
            self._next = {name: when for name, when in self._next.items() if when > now}
        return max(1, math.ceil(at - now))
