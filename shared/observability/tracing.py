"""Traces by OpenTelemetry: one for each job, in every process. Off, and nothing of it imported, without an endpoint.

The context of a job's trace is part of its record (`Job.traceparent`, as in W3C's Trace Context), not of its messages:
so it holds for a message that the sweeper publishes anew, and for each attempt.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from shared.settings import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

_tracing: Any = None  # opentelemetry's tracer provider, once this process has one


def configure(endpoint: str | None, process: str) -> None:
    """Call it in a child, not before the fork: spans are sent by a thread.

    :raises SystemExit: an endpoint is set, but the dependency group `tracing` is not installed.
    """
    global _tracing  # noqa: PLW0603 - as OpenTelemetry's own provider is one for the process
    if not endpoint or _tracing is not None:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - optional
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - optional
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - optional
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - optional
    except ImportError:
        raise SystemExit("OTEL_EXPORTER_OTLP_ENDPOINT is set: pip install --group tracing -c constraints.txt") from None
    resource = Resource.create({"service.name": f"logo-{process}", "service.version": VERSION})
    _tracing = TracerProvider(resource=resource)
    _tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")))


def shutdown() -> None:
    """Sends what is left."""
    global _tracing  # noqa: PLW0603 - as above
    if _tracing is not None:
        _tracing.shutdown()
        _tracing = None


def instrument(app: FastAPI) -> None:
    """A span for each request, under the caller's trace if it names one."""
    if _tracing is None:
        return
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # noqa: PLC0415 - optional

    FastAPIInstrumentor.instrument_app(
        app, tracer_provider=_tracing, excluded_urls="/health,/metrics", exclude_spans=["receive", "send"]
    )


@contextlib.contextmanager
def span(name: str, traceparent: str = "", **attributes: str | int) -> Iterator[None]:
    """A span of the trace that `traceparent` names; without it, of the current one."""
    if _tracing is None:
        yield
        return
    with _tracing.get_tracer("logo").start_as_current_span(name, _context(traceparent), attributes=attributes):
        yield


def past(name: str, traceparent: str, start_ms: int, end_ms: int) -> None:
    """A span that is over already. Times are milliseconds since the epoch."""
    if _tracing is not None:
        ended = _tracing.get_tracer("logo").start_span(name, _context(traceparent), start_time=start_ms * 1_000_000)
        ended.end(end_ms * 1_000_000)


def current() -> str:
    """The traceparent of the current span; empty where there is none."""
    if _tracing is None:
        return ""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - optional

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent", "")


def _context(traceparent: str) -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - optional

    return TraceContextTextMapPropagator().extract({"traceparent": traceparent}) if traceparent else None
