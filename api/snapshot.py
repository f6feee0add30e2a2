"""Reads the shared state that /metrics shows in one round trip; it reads no record and no image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared import redis_state
from shared.ledger import counters, keys
from shared.ledger.keys import EVENTS, QUEUE_OFFSETS, QUEUED
from shared.queue import WEBHOOK

if TYPE_CHECKING:
    import redis.asyncio

    from shared.jobs import Priority


@dataclass(frozen=True, slots=True)
class Snapshot:
    depth: dict[Priority, int]
    oldest_age_seconds: dict[Priority, float]
    counters: dict[str, int]
    webhooks_waiting: int  # messages for the webhook workers
    redis_used_bytes: int
    redis_max_bytes: int
    redis_dangers: frozenset[str]  # dangerous settings (shared/redis_state.py)
    newest_event: str  # id of the newest entry in the events stream; empty if there is none


async def snapshot(client: redis.asyncio.Redis) -> Snapshot:
    pipeline = client.pipeline(transaction=False)
    pipeline.time()
    pipeline.info()
    pipeline.hgetall(keys.COUNTERS)
    pipeline.xrevrange(EVENTS, count=1)
    pipeline.llen(WEBHOOK)
    for low, high in _ranges().values():
        pipeline.zcount(QUEUED, low, high)
        pipeline.zrangebyscore(QUEUED, low, high, start=0, num=1, withscores=True)
    (seconds, micros), info, counted, newest, webhooks, *queues = await pipeline.execute()
    now = seconds * 1000 + micros / 1000
    priorities = list(_ranges())
    return Snapshot(
        depth=dict(zip(priorities, queues[::2], strict=True)),
        oldest_age_seconds={
            priority: _age_seconds(now + QUEUE_OFFSETS[priority], first)
            for priority, first in zip(priorities, queues[1::2], strict=True)
        },
        counters=counters.parse(counted),
        webhooks_waiting=webhooks,
        redis_used_bytes=int(info["used_memory"]),
        redis_max_bytes=int(info["maxmemory"]),
        redis_dangers=frozenset(redis_state.dangers(info)),
        newest_event=newest[0][0].decode() if newest else "",
    )


def lag_seconds(newest: str, read: str) -> float:
    """Seconds between two ids of the stream, which are milliseconds by the Redis server's clock, a dash, a number."""
    return max(0, int((newest or "0-0").partition("-")[0]) - int(read.partition("-")[0])) / 1000


def _ranges() -> dict[Priority, tuple[int, str]]:
    """The range of scores that a priority's jobs have in the queue, in Redis' syntax."""
    lows = sorted(QUEUE_OFFSETS.items(), key=lambda item: item[1])
    highs = [f"({low}" for _, low in lows[1:]] + ["+inf"]
    return {priority: (low, high) for (priority, low), high in zip(lows, highs, strict=True)}


def _age_seconds(now: float, first: list[Any]) -> float:
    return max(0.0, now - first[0][1]) / 1000 if first else 0.0
