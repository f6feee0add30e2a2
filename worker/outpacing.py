"""Warns when more is drawn in an hour than Redis' memory is planned for (PLANNED_JOBS_PER_HOUR); for the sweeper."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from shared.ledger import counters, keys
from shared.observability.logging import get_logger
from shared.schemas import MAX_PIXELS

if TYPE_CHECKING:
    import redis

log = get_logger(__name__)
LOOK_SECONDS = 60.0
HOUR_SECONDS = 3600.0


class Outpacing:
    """Compares the pixels of images that were finished in the last hour with the planned ones, once a minute.

    :param planned_jobs_per_hour: jobs of MAX_PIXELS each.
    """

    def __init__(self, client: redis.Redis, planned_jobs_per_hour: float) -> None:
        self._client = client
        self._planned = planned_jobs_per_hour
        self._looks: deque[tuple[float, int]] = deque()  # when, and the counter then
        self._warned_at = float("-inf")

    def look(self) -> None:
        now = time.monotonic()
        if self._looks and now - self._looks[-1][0] < LOOK_SECONDS:
            return
        self._looks.append((now, int(self._client.hget(keys.COUNTERS, counters.PIXELS) or 0)))
        while now - self._looks[0][0] > HOUR_SECONDS:
            self._looks.popleft()
        jobs = (self._looks[-1][1] - self._looks[0][1]) / MAX_PIXELS
        if jobs > self._planned and now - self._warned_at >= HOUR_SECONDS:
            self._warned_at = now
            log.warning(
                "redis.outpaced",
                jobs_in_an_hour=round(jobs, 1),
                planned=self._planned,
                hint="raise PLANNED_JOBS_PER_HOUR and REDIS_MAXMEMORY (docs/deployment.md)",
            )
