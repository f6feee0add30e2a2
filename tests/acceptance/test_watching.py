"""What an operator sees of a working stack: Flower, and the metrics of each process."""

import re
import subprocess
import sys

import httpx
import psutil
import pytest

from shared.stack.serve import free_port


@pytest.fixture(scope="module")
def flower(stack):
    port = free_port()
    env = stack.env | {
        "REDIS_URL": psutil.Process(stack.process.pid).environ()["REDIS_URL"],
        "FLOWER_BASIC_AUTH": "me:secret",
        "FLOWER_PORT": str(port),
        "FLOWER_ADDRESS": "127.0.0.1",
    }
    with (stack.directory / "flower.log").open("ab") as log:
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

        stack.wait_until(sees_the_workers)
        yield client
    process.terminate()
    process.wait(20)


def test_flower_finds_a_job_by_its_id_and_shows_its_worker_busy(stack, flower):
    job = stack.submit(sizes=[512], steps=50)
    task = stack.wait_until(lambda: (found := info(flower, job["id"])) and found["state"] == "STARTED" and found)
    assert task["name"] == "generate"
    name = task["worker"]
    assert name.startswith("generate-cpu-")
    assert [w["name"] for w in stack.http.get("/health").json()["workers"]] == [name]
    busy = flower.get("/api/tasks", params={"workername": name, "state": "STARTED"}).json()
    assert list(busy) == [job["id"]]
    stack.http.delete(f"/api/jobs/{job['id']}")
    stack.wait_until(lambda: info(flower, job["id"])["state"] == "SUCCESS")  # of the task; the job is canceled
    assert httpx.get(f"{flower.base_url}/api/workers").status_code == 401


def info(flower, job_id):
    response = flower.get(f"/api/task/info/{job_id}")
    return response.json() if response.is_success else None


def test_each_process_has_its_metrics_and_its_health(stack):
    stack.end_of(stack.submit(steps=3)["id"])
    api = stack.http.get("/metrics").text
    assert re.search(r'logo_jobs_ended_total{code="",status="succeeded"} \d', api)
    assert float(re.search(r"\nlogo_denoise_steps_total (\S+)", api)[1]) >= 3
    assert re.search(r'logo_worker_ready{device="cpu",worker="generate-cpu-\d+@[^"]+"} 1.0', api)
    first = int(stack.env["METRICS_PORT"])
    for port, name in enumerate(("finish", "sweeper", "generate", "webhook"), first):
        own = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        assert re.search(rf'logo_build_info{{process="{name}",', own), name
        assert "process_cpu_seconds_total" in own
        assert httpx.get(f"http://127.0.0.1:{port}/health").text == "ok"
    assert 'logo_worker_ready{device="cpu"' in httpx.get(f"http://127.0.0.1:{first + 2}/metrics").text
    assert "logo_sweeper_leads 1.0" in httpx.get(f"http://127.0.0.1:{first + 1}/metrics").text


def test_a_job_is_one_trace_through_every_process_and_attempt(stack, collector, exported):
    caller = "0af7651916cd43dd8448eb211c80319c"
    response = stack.http.post(
        "/api/jobs",
        json={"prompt": "a red fox", "sizes": [256], "steps": 40, "webhook_url": f"{collector}/hook"},
        headers={"traceparent": f"00-{caller}-b7ad6b7169203331-01"},
    )
    job_id = response.json()["id"]
    stack.wait_until(lambda: stack.get(job_id)["status"] == "running")
    (parent,) = [p for p in stack.processes("worker.generate") if p.ppid() == stack.process.pid]
    parent.children()[0].kill()
    assert stack.end_of(job_id)["attempt"] == 2

    def trace():
        return [(service, span) for service, span in exported if span.trace_id.hex() == caller]

    stack.wait_until(lambda: {"job.finish", "job.webhook"} <= {span.name for _, span in trace()})
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
    other = stack.submit(steps=1)["id"]
    stack.end_of(other)
    stack.wait_until(lambda: [s for _, s in exported if s.name == "job.queued" and s.trace_id.hex() != caller])
    # Polling has traces of its own.
    assert "GET /api/jobs/{job_id}" not in spans
