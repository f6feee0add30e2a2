"""The HTTP port of a worker or sweeper: /metrics for Prometheus, /health for its container. METRICS_PORT=0: no port."""

from __future__ import annotations

import os
import re
import threading
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from shared.observability import metrics
from shared.observability.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from prometheus_client.core import Metric

    from shared.settings import Settings

log = get_logger(__name__)
_NO_VERSION = re.compile(r"\bversion=(?![0-9]{1,4}(\.[0-9]{1,4})*\s*([;,]|$))")


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


class _Collector:
    def __init__(self, process: str, collect: Callable[[], Iterable[Metric]]) -> None:
        self._process = process
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        yield metrics.build_info(self._process)
        yield from self._collect()


def registry(process: str, collect: Callable[[], Iterable[Metric]]) -> CollectorRegistry:
    """A registry with the metrics of the process and those that `collect` returns; each scrape calls `collect`."""
    own = CollectorRegistry()
    ProcessCollector(registry=own)
    PlatformCollector(registry=own)
    own.register(_Collector(process, collect))
    return own


def readable(accept: str) -> str:
    """An Accept header, or an empty text if it has a version at which prometheus_client fails, as at `version=abc`."""
    return "" if _NO_VERSION.search(accept) else accept


def serve(
    settings: Settings, process: str, trouble: Callable[[], str], collect: Callable[[], Iterable[Metric]] = tuple
) -> None:
    """Serves the port from a thread of this process; forked children close it.

    `trouble` returns what is wrong, for a 503 at /health, or an empty text, for a 200.

    :raises SystemExit: the port cannot be used.
    """
    if not settings.metrics_port:
        return
    scrape = make_wsgi_app(registry(process, collect))

    def respond(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/health":
            environ["HTTP_ACCEPT"] = readable(environ.get("HTTP_ACCEPT", ""))
            page: Iterable[bytes] = scrape(environ, start)
            return page
        reason = trouble()
        start("503 Service Unavailable" if reason else "200 OK", [("Content-Type", "text/plain; charset=utf-8")])
        return [(reason or "ok").encode()]

    where = f"METRICS_PORT {settings.metrics_port} on {settings.metrics_host}"
    try:
        server = make_server(settings.metrics_host, settings.metrics_port, respond, ThreadingWSGIServer, _Quiet)
    except OSError as error:
        raise SystemExit(f"{where} cannot be used: {error.strerror}") from None
    os.register_at_fork(after_in_child=server.socket.close)
    threading.Thread(target=server.serve_forever, name="exporter", daemon=True).start()
    log.info("metrics.served", host=settings.metrics_host, port=settings.metrics_port)
