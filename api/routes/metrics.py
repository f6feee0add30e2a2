"""/metrics for Prometheus: the requests of this process, and the shared queue, workers, counters and Redis memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder

from api import worker_metrics
from api.deps import Deps  # noqa: TC001 - FastAPI reads the annotations
from api.memory_check import capacity
from api.snapshot import lag_seconds, snapshot
from shared import redis_state, workers
from shared.connection import UNAVAILABLE
from shared.ledger.usage import this_month
from shared.observability import exporter, metrics
from shared.schemas import MAX_PIXELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client.core import Metric

    from api.deps import Services
    from shared.observability.metrics import Definition

router = APIRouter(tags=["service"])


class _Fixed:
    """A collector of metrics that were read beforehand: a collector cannot await Redis."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def scrape(request: Request, services: Deps) -> Response:
    """Metrics for Prometheus. They contain no prompt, job id or API key."""
    encode, content_type = choose_encoder(exporter.readable(request.headers.get("accept", "")))
    everything = CollectorRegistry()
    everything.register(_Fixed(await _shared(services)))
    if counted_in := worker_metrics.folder():
        worker_metrics.register_all(everything, counted_in)
    else:
        everything.register(services.http.registry)
        everything.register(_Fixed(_own(services)))
        ProcessCollector(registry=everything)
    PlatformCollector(registry=everything)
    return Response(encode(everything), media_type=content_type)


def own_gauges(services: Services) -> list[tuple[Definition, Literal["livesum", "livemax"], Callable[[], float]]]:
    """The gauges of this process, what several processes have of each together, and how it is read."""
    return [
        (metrics.WAITERS, "livesum", lambda: services.waiting.count),
        (metrics.KEPT_WAITING, "livesum", lambda: services.turns.waiting),
        (metrics.KEYS_FILE_BROKEN, "livemax", lambda: services.tenants.broken),
        (metrics.LOOP_LAG, "livemax", lambda: services.lag.recent_seconds),
        (metrics.IMAGE_BYTES, "livesum", lambda: services.sending.total),
    ]


def _own(services: Services) -> list[Metric]:
    return [definition.family([((), read())]) for definition, _, read in own_gauges(services)]


async def _shared(services: Services) -> list[Metric]:
    families = [
        metrics.build_info("api"),
        metrics.REDIS_WORST_CASE.family([((), capacity(services.settings).total)]),
        metrics.PLANNED_PIXELS.family([((), services.settings.planned_jobs_per_hour * MAX_PIXELS)]),
    ]
    if (reachable := await services.results.reachable()) is not None:
        families.append(metrics.STORE_UP.family([((), reachable)]))
    try:
        live = await workers.live(services.client)
        state = await snapshot(services.client)
        used = await this_month(services.client)
    except UNAVAILABLE:
        return [*families, metrics.REDIS_UP.family([((), 0)])]
    return [
        *families,
        metrics.REDIS_UP.family([((), 1)]),
        metrics.REDIS_USED.family([((), state.redis_used_bytes)]),
        metrics.REDIS_MAX.family([((), state.redis_max_bytes)]),
        metrics.REDIS_DANGEROUS.family(((name,), name in state.redis_dangers) for name in redis_state.SETTINGS),
        metrics.QUEUE_JOBS.family(((priority,), depth) for priority, depth in state.depth.items()),
        metrics.QUEUE_AGE.family(((priority,), age) for priority, age in state.oldest_age_seconds.items()),
        metrics.WEBHOOKS_WAITING.family([((), state.webhooks_waiting)]),
        metrics.EVENTS_LAG.family([((), lag_seconds(state.newest_event, services.waiting.last_event))]),
        *metrics.of_counters(state.counters),
        *metrics.of_use({services.tenants.name_of(owner): use for owner, use in used.items()}),
        *metrics.of_workers(live),
    ]
