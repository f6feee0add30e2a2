"""Counts and times the HTTP requests of this process; the access log feeds it, /metrics shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from shared.observability import metrics

if TYPE_CHECKING:
    from starlette.types import Scope

# Seconds. They reach to minutes, because a held call lasts as long as its job.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class HttpMetrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = metrics.HTTP_REQUESTS.counter(self.registry)
        self._seconds = metrics.HTTP_SECONDS.histogram(self.registry, BUCKETS)
        self._refused = metrics.HTTP_REFUSED.counter(self.registry)

    def count_refusal(self) -> None:
        self._refused.inc()

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        # The route's template, not the path: callers choose the path, and every combination of labels is kept for ever.
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(route).observe(seconds)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
