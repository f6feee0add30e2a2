"""/metrics of the API on a real server, and the port of a worker."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import httpx
import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from api.memory_check import capacity
from api.settings import ApiSettings
from shared import workers
from shared.jobs import Failure, Job
from shared.ledger import counters, moves
from shared.ledger.moves import MAX_ATTEMPTS
from shared.observability import exporter, metrics
from shared.queue import send_webhook
from shared.results.redis_store import RedisResults
from shared.settings import VERSION, Settings
from shared.stack.serve import free_port
from shared.workers import WorkerInfo
from worker.generate import readiness
from worker.recovery import Recovery


def samples(text):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def scrape(serve):
    async def _scrape():
        async with serve() as http:
            response = await http.get("/metrics")
            assert response.status_code == 200
            return samples(response.text)

    return _scrape


async def test_a_job_on_its_way_is_counted_once(serve, succeed, ledger):
    async with serve() as http:
        first, second = [
            (await http.post("/api/jobs", json={"prompt": "a fox", "sizes": [64], "priority": priority})).json()["id"]
            for priority in ("normal", "high")
        ]
        found = samples((await http.get("/metrics")).text)
        assert [found["logo_queue_jobs", ("priority", name)] for name in ("high", "normal", "low")] == [1, 1, 0]
        assert 0 <= found["logo_queue_oldest_age_seconds", ("priority", "high")] < 10
        assert found["logo_queue_oldest_age_seconds", ("priority", "low")] == 0
        succeed(first)
        for _ in range(2):  # the second is a retry after a lost reply
            ledger.run(moves.fail(second, code="poison", message="m", ttl_seconds=60))
        await http.get("/api/jobs/nonsense")
        await http.get("/somewhere")
        found = samples((await http.get("/metrics")).text)
    assert found["logo_jobs_ended_total", ("code", ""), ("status", "succeeded")] == 1
    assert found["logo_jobs_ended_total", ("code", "poison"), ("status", "failed")] == 1
    # Counters of failures begin with 0: otherwise the first failure would show no increase.
    for code in set(Failure) - {Failure.POISON}:
        assert found["logo_jobs_ended_total", ("code", code), ("status", "failed")] == 0
    for stage in counters.STAGES:
        assert found["logo_job_stage_seconds_count", ("stage", stage)] == 1
        assert found["logo_job_stage_seconds_bucket", ("le", "10.0"), ("stage", stage)] == 1
        assert found["logo_job_stage_seconds_bucket", ("le", "+Inf"), ("stage", stage)] == 1
    assert found["logo_queue_jobs", ("priority", "high")] == 0
    key = ("logo_http_requests_total", ("method", "POST"), ("route", "/api/jobs"), ("status", "202"))
    assert found[key] == 2
    # Whatever paths are tried, the labels stay bounded.
    assert found["logo_http_requests_total", ("method", "GET"), ("route", "unmatched"), ("status", "404")] == 1
    assert found["logo_redis_up",] == 1
    assert found["logo_redis_memory_used_bytes",] > 0
    assert found["logo_redis_worst_case_bytes",] == capacity(ApiSettings(_env_file=None)).total
    assert found["logo_waiters",] == 0
    assert found["logo_events_lag_seconds",] < 5


async def test_every_recovery_has_its_reason(scrape, ledger, celery_app, succeed):
    recovery = Recovery(ledger, RedisResults(ledger.client), celery_app, 60)
    job = Job(id="job", status="queued", prompt="fox", sizes=(64,), seed=1)
    ledger.run(moves.create(job, max_queue=9))
    for attempt in range(MAX_ATTEMPTS):
        claimed = ledger.run(moves.claim("job", worker="w", delivery=str(attempt))).job
        recovery.recover(claimed, "lease_lost")
    found = await scrape()
    recovered = {key[1:]: value for key, value in found.items() if key[0] == "logo_job_recoveries_total"}
    assert recovered == {
        (("reason", "lease_lost"), ("to", "queued")): 2,
        (("reason", "lease_lost"), ("to", "finishing")): 0,
        (("reason", "lease_lost"), ("to", "failed")): 1,
        (("reason", "store_away"), ("to", "finishing")): 0,
    }
    # Drawn three times, but first queued once.
    assert found["logo_job_stage_seconds_count", ("stage", "queued")] == 1


async def test_a_setting_of_redis_that_endangers_jobs_is_shown(scrape, client):
    client.config_set("maxmemory", 2**30)
    settings = ("maxmemory-policy", "appendonly", "maxmemory", "replicaof")

    async def shown():
        found = await scrape()
        return [name for name in settings if found["logo_redis_dangerous_setting", ("setting", name)]]

    assert await shown() == []
    client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert await shown() == ["maxmemory-policy"]
    finally:
        client.config_set("maxmemory-policy", "noeviction")


async def test_webhooks_are_counted_by_what_became_of_them_and_while_they_wait(scrape, client, celery_app):
    for outcome in ("delivered", "failed", "failed", "postponed"):
        counters.count(client, counters.webhook(outcome))
    send_webhook(celery_app, "job", "")
    shown = await scrape()
    tries = [shown["logo_webhook_tries_total", ("outcome", outcome)] for outcome in counters.WEBHOOK_OUTCOMES]
    assert dict(zip(counters.WEBHOOK_OUTCOMES, tries, strict=True)) == {
        "delivered": 1,
        "failed": 2,
        "given_up": 0,
        "postponed": 1,
    }
    assert shown["logo_webhooks_waiting",] == 1


async def test_workers_are_shown_by_their_heartbeats(scrape, client):
    card = {"device_type": "cuda", "device_name": "NVIDIA H100", "memory_total_bytes": 80, "gpu_utilization": 0.5}
    workers.publish(client, WorkerInfo("g1", ready=True, model="m", job_id="j", gpu_memory_used_bytes=7, **card))
    workers.publish(client, WorkerInfo("g2", ready=False, model="m", device_type="cpu", device_name="cpu"))
    found = await scrape()
    g1 = (("device", "NVIDIA H100"), ("worker", "g1"))
    assert [found[name, *g1] for name in ("logo_worker_ready", "logo_worker_busy")] == [1, 1]
    assert [found[f"logo_gpu_{name}", *g1] for name in ("memory_used_bytes", "utilization_ratio")] == [7, 0.5]
    g2 = (("device", "cpu"), ("worker", "g2"))
    assert found["logo_worker_ready", *g2] == 0
    assert ("logo_gpu_memory_used_bytes", *g2) not in found


async def test_prometheus_asks_for_openmetrics(serve):
    async with serve() as http:
        await http.get("/health/live")
        response = await http.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    names = [family.name for family in openmetrics.text_string_to_metric_families(response.text)]
    assert {"logo_http_requests", "logo_jobs_ended", "process_cpu_seconds"} <= set(names)


@pytest.mark.parametrize(
    "accept",
    [
        *(f"application/openmetrics-text;version={version}" for version in ("abc", "2.0.x", '"1.0.0"', "9" * 5000)),
        "text/plain;version=1.x",
        "a/b;version",
    ],
)
async def test_an_accept_header_of_nonsense_gets_the_plain_text(serve, accept):
    port = free_port()
    exporter.serve(Settings(_env_file=None, metrics_port=port), "test", str)
    async with httpx.AsyncClient() as worker:
        response = await worker.get(f"http://127.0.0.1:{port}/metrics", headers={"Accept": accept})
    assert (response.status_code, bool(samples(response.text))) == (200, True)
    async with serve() as http:
        response = await http.get("/metrics", headers={"Accept": accept})
    assert response.status_code == 200
    assert samples(response.text)["logo_redis_up",] == 1


async def test_without_redis_it_says_so(serve):
    async with serve(redis_url="redis://127.0.0.1:1/0") as http:
        found = samples((await http.get("/metrics")).text)
    assert found["logo_redis_up",] == 0
    assert not any(key[0] == "logo_queue_jobs" for key in found)


async def test_what_is_defined_is_what_is_served(serve, client, ledger, succeed, tmp_path):
    """Except for the sweeper's two. With images outside Redis, because their store has a metric."""
    async with serve(result_store=f"file://{tmp_path}") as http:
        succeed((await http.post("/api/jobs", json={"prompt": "a fox", "sizes": [64]})).json()["id"])
        text = (await http.get("/metrics")).text
    served = {name for name in text.split() if name.startswith("logo_")}
    for definition in metrics.ALL:
        assert definition.name in served or definition.name.startswith("logo_sweeper_"), definition.name


def test_a_workers_port_serves_metrics_and_health(monkeypatch):
    monkeypatch.setenv("REVISION", "1a2b3c")
    trouble = ""
    port = free_port()
    exporter.serve(
        Settings(_env_file=None, metrics_port=port), "test", lambda: trouble, lambda: [metrics.REDIS_UP.family([])]
    )

    def get(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as response:
            return response.read().decode()

    found = samples(get("/metrics"))
    (built,) = [dict(key[1:]) for key in found if key[0] == "logo_build_info"]
    assert (built["version"], built["revision"], built["process"]) == (VERSION, "1a2b3c", "test")
    assert found["process_resident_memory_bytes",] > 0
    assert get("/health") == "ok"
    trouble = "stuck"
    with pytest.raises(urllib.error.HTTPError, match="503"):
        get("/health")
    with pytest.raises(SystemExit, match=f"METRICS_PORT {port}"):
        exporter.serve(Settings(_env_file=None, metrics_port=port), "test", str)


def test_a_child_that_is_stuck_or_gone_is_trouble(monkeypatch):
    monkeypatch.setattr(readiness, "STUCK_SECONDS", 0.05)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        readiness.announce(child.pid)
        assert readiness.trouble() == ""
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        assert_comes_about(lambda: "sent no heartbeat" in readiness.trouble())
        readiness.heartbeat()
        assert readiness.trouble() == ""
        child.kill()
        child.wait()
        assert "is gone" in readiness.trouble()
        readiness.announce(-child.pid)
        assert readiness.trouble() == ""  # Celery limits the time of a child that loads
    finally:
        readiness.announce(0)
        child.kill()
        child.communicate()


def assert_comes_about(condition):
    # The test's own time limit ends it.
    while not condition():
        pass
