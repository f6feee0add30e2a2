"""What a request's span says, and what it must not say."""

import pytest
from opentelemetry.instrumentation import _semconv
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.observability import tracing

BODY = {"prompt": "a red fox", "sizes": [64]}


@pytest.fixture(params=["", "http", "http/dup"])
def spans(request, monkeypatch):
    """The attributes of the spans so far, by OpenTelemetry's older names, its newer ones, and both."""
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", request.param)
    monkeypatch.setattr(_semconv._OpenTelemetrySemanticConventionStability, "_initialized", False)
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracing", provider)
    return lambda: [dict(span.attributes) for span in exporter.get_finished_spans()]


async def test_a_span_has_no_signature_of_an_image_url(serve, succeed, spans):
    async with serve(url_signing_keys=("s" * 32,)) as http:
        job = (await http.post("/api/jobs", json=BODY)).json()
        succeed(job["id"])
        url = (await http.get(f"/api/jobs/{job['id']}")).json()["urls"]["images"]["64"]
        path, _, query = url.partition("?")
        for asked in (query, query.replace("signature=", "%73ignature="), f"{query[:-1]}x"):
            await http.get(f"{path}?{asked}")
    signature = query.partition("signature=")[2][:-1]
    found = spans()
    assert sum(path in str(attributes) for attributes in found) == 3
    assert not any(signature in str(attributes) for attributes in found)
