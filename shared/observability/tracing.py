"""OpenTelemetry traces: one for each job, across all processes. Without an endpoint nothing is imported or recorded.

The trace context is part of the job's record (`Job.traceparent`, in the format of W3C Trace Context) and not of its
messages, so that it survives a message that the sweeper publishes again, and a new attempt.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.addresses import is_loopback
from shared.settings import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

# Of OpenTelemetry's older and newer names; which a span has depends on OTEL_SEMCONV_STABILITY_OPT_IN.
_QUERY_ATTRIBUTES = ("http.url", "http.target", "url.full", "url.query")
_tracing: Any = None  # opentelemetry's tracer provider, once this process has one


def configure(endpoint: str | None, process: str) -> None:
    """Starts tracing in this process. Call it in a child and not before the fork, because a thread sends the spans.

    :raises SystemExit: an endpoint is set, but the dependency group `tracing` is not installed.
    """
    global _tracing  # noqa: PLW0603 - one provider for the process, as in OpenTelemetry itself
    if not endpoint or _tracing is not None:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - optional
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - optional
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - optional
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - optional
        from requests import Session  # noqa: PLC0415 - the exporter's
    except ImportError:
        raise SystemExit("OTEL_EXPORTER_OTLP_ENDPOINT is set: pip install --group tracing -c constraints.txt") from None
    session = Session()
    # A collector on this machine is not asked by the environment's proxy.
    session.trust_env = not is_loopback(urlsplit(endpoint).hostname or "")
    resource = Resource.create({"service.name": f"logo-{process}", "service.version": VERSION})
    _tracing = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", session=session)
    _tracing.add_span_processor(BatchSpanProcessor(exporter))


def shutdown() -> None:
    """Sends the remaining spans and ends tracing."""
    global _tracing  # noqa: PLW0603 - one provider for the process
    if _tracing is not None:
        _tracing.shutdown()
        _tracing = None


def instrument(app: FastAPI) -> None:
    """Records a span for each request, in the caller's trace if the request has a traceparent."""
    if _tracing is None:
        return
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # noqa: PLC0415 - optional

    FastAPIInstrumentor.instrument_app(
        app,
        tracer_provider=_tracing,
        excluded_urls="/health,/metrics",
        exclude_spans=["receive", "send"],
        server_request_hook=_leave_out_query,
    )


def _leave_out_query(span: Any, _: Any) -> None:
    """Takes the query out of a request's span: that of a signed URL is all that is needed to fetch its image."""
    for name in _QUERY_ATTRIBUTES:
        value = (span.attributes or {}).get(name) if span.is_recording() else None
        if value:
            span.set_attribute(name, "" if name == "url.query" else value.partition("?")[0])


@contextlib.contextmanager
def span(name: str, traceparent: str = "", **attributes: str | int) -> Iterator[None]:
    """Records a span around the context, in the trace of `traceparent` or, if that is empty, in the current trace."""
    if _tracing is None:
        yield
        return
    with _tracing.get_tracer("logo").start_as_current_span(name, _context(traceparent), attributes=attributes):
        yield


def past(name: str, traceparent: str, start_ms: int, end_ms: int) -> None:
    """Records a span that has already ended. Times are milliseconds since the epoch."""
    if _tracing is not None:
        ended = _tracing.get_tracer("logo").start_span(name, _context(traceparent), start_time=start_ms * 1_000_000)
        ended.end(end_ms * 1_000_000)


def current() -> str:
    """The traceparent of the current span; empty without one."""
    if _tracing is None:
        return ""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - optional

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent", "")


def _context(traceparent: str) -> Any:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - optional

    return TraceContextTextMapPropagator().extract({"traceparent": traceparent}) if traceparent else None
