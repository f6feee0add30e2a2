"""What an operator sees of a working stack: Flower, and the metrics of each process."""

import gzip
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import httpx
import psutil
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from shared.stack.serve import free_port


class Collector(BaseHTTPRequestHandler):
    """Takes spans like an OpenTelemetry collector, and webhooks at /hook."""

    spans: ClassVar[list[tuple[str, Span]]] = []  # (service that sent it, span)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        body = gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body
        body = b"" if self.path == "/hook" else body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = {item.key: item.value.string_value for item in resource.resource.attributes}["service.name"]
            self.spans.extend((service, span) for scope in resource.scope_spans for span in scope.spans)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def collector():
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def watched(tmp_path_factory, start_stack, collector, webhooks):
    return start_stack(
        tmp_path_factory.mktemp("watched"),
        METRICS_PORT=str(free_port()),
        OTEL_EXPORTER_OTLP_ENDPOINT=collector,
        OTEL_BSP_SCHEDULE_DELAY="100",
        **webhooks,
    )


@pytest.fixture(scope="module")
def flower(watched):
    port = free_port()
    env = watched.env | {
        "REDIS_URL": psutil.Process(watched.process.pid).environ()["REDIS_URL"],
        "FLOWER_BASIC_AUTH": "me:secret",
        "FLOWER_PORT": str(port),
        "FLOWER_ADDRESS": "127.0.0.1",
    }
    with (watched.directory / "flower.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "shared.flower", "flower"], env=env, stdout=log, stderr=log
        )
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=("me", "secret"), timeout=20) as client:

        def sees_the_workers():
            assert process.poll() is None
            try:
                return len([w for w in client.get("/api/workers?status=1").json().values() if w]) == 3
            except (httpx.TransportError, ValueError):
                return False

        watched.wait_until(sees_the_workers)
        yield client
    process.terminate()
    process.wait(20)


def test_flower_finds_a_job_by_its_id_and_shows_its_worker_busy(watched, flower):
    job = watched.submit(sizes=[512], steps=50)
    task = watched.wait_until(lambda: (found := info(flower, job["id"])) and found["state"] == "STARTED" and found)
    assert task["name"] == "generate"
    name = task["worker"]
    assert name.startswith("generate-cpu-")
    assert [w["name"] for w in watched.http.get("/health").json()["workers"]] == [name]
    busy = flower.get("/api/tasks", params={"workername": name, "state": "STARTED"}).json()
    assert list(busy) == [job["id"]]
    watched.http.delete(f"/api/jobs/{job['id']}")
    watched.wait_until(lambda: info(flower, job["id"])["state"] == "SUCCESS")  # of the task; the job is canceled
    assert httpx.get(f"{flower.base_url}/api/workers").status_code == 401


def info(flower, job_id):
    response = flower.get(f"/api/task/info/{job_id}")
    return response.json() if response.is_success else None


def test_each_process_has_its_metrics_and_its_health(watched):
    watched.end_of(watched.submit(steps=3)["id"])
    api = watched.http.get("/metrics").text
    assert re.search(r'logo_jobs_ended_total{code="",status="succeeded"} \d', api)
    assert float(re.search(r"\nlogo_denoise_steps_total (\S+)", api)[1]) >= 3
    assert re.search(r'logo_worker_ready{device="cpu",worker="generate-cpu-\d+@[^"]+"} 1.0', api)
    first = int(watched.env["METRICS_PORT"])
    for port, name in enumerate(("finish", "sweeper", "generate", "webhook"), first):
        own = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        assert re.search(rf'logo_build_info{{process="{name}",', own), name
        assert "process_cpu_seconds_total" in own
        assert httpx.get(f"http://127.0.0.1:{port}/health").text == "ok"
    assert 'logo_worker_ready{device="cpu"' in httpx.get(f"http://127.0.0.1:{first + 2}/metrics").text
    assert "logo_sweeper_leads 1.0" in httpx.get(f"http://127.0.0.1:{first + 1}/metrics").text


def test_a_job_is_one_trace_through_every_process_and_attempt(watched, collector):
    caller = "0af7651916cd43dd8448eb211c80319c"
    response = watched.http.post(
        "/api/jobs",
        json={"prompt": "a red fox", "sizes": [256], "steps": 40, "webhook_url": f"{collector}/hook"},
        headers={"traceparent": f"00-{caller}-b7ad6b7169203331-01"},
    )
    job_id = response.json()["id"]
    watched.wait_until(lambda: watched.get(job_id)["status"] == "running")
    (parent,) = [p for p in watched.processes("worker.generate") if p.ppid() == watched.process.pid]
    parent.children()[0].kill()
    assert watched.end_of(job_id)["attempt"] == 2

    def trace():
        return [(service, span) for service, span in Collector.spans if span.trace_id.hex() == caller]

    watched.wait_until(lambda: {"job.finish", "job.webhook"} <= {span.name for _, span in trace()})
    found = [(service, span.name) for service, span in trace()]
    assert {
        ("logo-api", "POST /api/jobs"),
        ("logo-api", "job.publish"),
        ("logo-generate", "job.generate"),
        ("logo-generate", "job.denoise"),
        ("logo-finish", "job.finish"),
        ("logo-webhook", "job.webhook"),
    } <= set(found)
    spans = {span.name: span for _, span in trace()}
    # Each span is under the request that made the job, the drawing under its worker's span.
    request = spans["POST /api/jobs"].span_id
    assert {spans[f"job.{stage}"].parent_span_id for stage in ("generate", "finish", "webhook")} == {request}
    assert spans["job.denoise"].parent_span_id == spans["job.generate"].span_id
    attempts = {a.key: a.value.int_value for a in spans["job.generate"].attributes}
    assert attempts["attempt"] == 2
    other = watched.submit(steps=1)["id"]
    watched.end_of(other)
    watched.wait_until(lambda: [s for _, s in Collector.spans if s.name == "job.queued" and s.trace_id.hex() != caller])
    # Polling has traces of its own.
    assert "GET /api/jobs/{job_id}" not in spans
