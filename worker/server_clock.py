"""Watches the clock of the Redis server, by which leases end.

It may be set forward or back, and it goes on while a machine sleeps; the monotonic clock of this process does neither.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from shared.observability.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

log = get_logger(__name__)
# Less than this ends no lease that is renewed: of its ten seconds at most two or three are over.
STEP_SECONDS = 3.0


class ServerClock:
    def __init__(self, client: redis.Redis, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._monotonic = monotonic
        self._ahead: float | None = None  # of the monotonic clock, at the last look

    def step(self) -> float:
        """By how many seconds the server's clock was set forward since the last look, negative for back; 0 for no step.

        :raises redis.RedisError: the server is out of reach.
        """
        before = self._monotonic()
        seconds, microseconds = self._client.time()
        ahead = seconds + microseconds / 1e6 - (before + self._monotonic()) / 2
        step = 0.0 if self._ahead is None else ahead - self._ahead
        self._ahead = ahead
        if abs(step) < STEP_SECONDS:
            return 0.0
        log.warning("clock.stepped", seconds=round(step, 1))
        return step
