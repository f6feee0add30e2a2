"""Warns at startup if Redis has less `maxmemory` than it may need in the worst case (api/capacity.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.capacity import worst_case
from shared import redis_state
from shared.connection import UNAVAILABLE
from shared.observability.logging import get_logger

if TYPE_CHECKING:
    import redis.asyncio

    from api.capacity import Capacity
    from api.settings import ApiSettings

log = get_logger(__name__)


def capacity(settings: ApiSettings) -> Capacity:
    return worst_case(
        max_queue_length=settings.max_queue_length,
        max_input_bytes=settings.max_input_bytes,
        jobs_per_hour=settings.planned_jobs_per_hour,
        result_ttl_seconds=settings.result_ttl_seconds,
        job_ttl_seconds=settings.job_ttl_seconds,
        images_in_redis=settings.images_in_redis,
    )


async def warn_of_small_memory(client: redis.asyncio.Redis, settings: ApiSettings) -> None:
    needed = capacity(settings).total
    try:
        # INFO instead of CONFIG GET, which hosted servers refuse.
        info = await client.info()
        redis_state.warn(redis_state.dangers(info), known=["maxmemory"])
        allowed = int(info["maxmemory"])
    except (*UNAVAILABLE, KeyError):
        return  # Redis is out of reach, or does not report its maxmemory
    if allowed == 0:
        log.warning("redis.unbounded", needed_bytes=needed, hint="set maxmemory; without it Redis can fill the memory")
    elif allowed < needed:
        log.warning(
            "redis.small",
            maxmemory_bytes=allowed,
            needed_bytes=needed,
            hint="raise REDIS_MAXMEMORY, or lower RESULT_TTL_SECONDS or PLANNED_JOBS_PER_HOUR (docs/reliability.md)",
        )
