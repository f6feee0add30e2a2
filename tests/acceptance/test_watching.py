"""What an operator sees of a stack that works: Flower, and the metrics of each process."""

import re
import subprocess
import sys

import httpx
import psutil
import pytest

from shared.serve import free_port


@pytest.fixture(scope="module")
def watched(tmp_path_factory, start_stack):
    return start_stack(tmp_path_factory.mktemp("watched"), METRICS_PORT=str(free_port()))


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
                return len([w for w in client.get("/api/workers?status=1").json().values() if w]) == 2
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
    watched.wait_until(
        lambda: info(flower, job["id"])["state"] == "SUCCESS"
    )  # the task, not the job, which is canceled
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
    for port, name in enumerate(("finish", "sweeper", "generate"), first):
        own = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        assert re.search(rf'logo_build_info{{process="{name}",', own), name
        assert "process_cpu_seconds_total" in own
        assert httpx.get(f"http://127.0.0.1:{port}/health").text == "ok"
    assert 'logo_worker_ready{device="cpu"' in own
    assert "logo_sweeper_leads 1.0" in httpx.get(f"http://127.0.0.1:{first + 1}/metrics").text
