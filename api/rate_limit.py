"""Limits how often one caller may submit, by API key or, if no keys are configured, by address."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from fastapi import Request  # noqa: TC002 - FastAPI reads the annotation
from limits import parse
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from api.auth import Caller  # noqa: TC001 - FastAPI reads the annotation
from shared import errors

if TYPE_CHECKING:
    import redis.asyncio

    from shared.tenants import Tenants


class RateLimit:
    """A limit that all API processes share through Redis, with two keys for each caller that expire with the window."""

    def __init__(self, rate: str, client: redis.asyncio.Redis, tenants: Tenants) -> None:
        """`rate`: such as '60/minute', for keys that have none of their own; empty for no limit."""
        self._rate = rate
        self._tenants = tenants
        storage = RedisStorage(
            "async+redis://",  # the pool connects; of the URL only its scheme counts
            implementation="redispy",
            key_prefix="logo:rate",
            connection_pool=client.connection_pool,  # type: ignore[arg-type] # limits hands it to redis-py
        )
        self._limiter = SlidingWindowCounterRateLimiter(storage)

    async def hit(self, caller: str) -> None:
        """Counts one submit of `caller`.

        :raises errors.TooManyRequests: the caller has used up the rate.
        """
        tenant = self._tenants.of(caller)
        rate = self._rate if tenant is None or tenant.rate is None else tenant.rate
        item = parse(rate) if rate else None
        if item is None or await self._limiter.hit(item, caller):
            return
        stats = await self._limiter.get_window_stats(item, caller)
        raise errors.TooManyRequests(
            f"more than {item} from this caller",
            retry_after_seconds=max(1, math.ceil(stats.reset_time - time.time())),
        )


async def limit_submits(request: Request, caller: Caller) -> None:
    """A dependency of whole routers that counts POST only: a submit costs a drawing, a read does not."""
    if request.method == "POST":
        limit: RateLimit = request.app.state.rate_limit
        await limit.hit(caller)
