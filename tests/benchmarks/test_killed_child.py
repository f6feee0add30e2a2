"""How soon a worker whose child was killed draws again, against the start of all of it."""

import os
import statistics
import subprocess
import sys
import time

import httpx
import psutil
import pytest

from shared.stack.ports import free_port

pytestmark = pytest.mark.benchmark
KILLS = 8
BODY = {"prompt": "a red fox head, geometric", "sizes": [256], "steps": 40}


def test_a_killed_child_to_its_next_drawing(tmp_path, capsys):
    port, log = free_port(), tmp_path / "log"
    env = os.environ | {"HOST": "127.0.0.1", "PORT": str(port), "DATA_DIR": str(tmp_path), "LOG_FORMAT": "json"}
    start = time.perf_counter()
    with log.open("wb") as written:
        stack = subprocess.Popen([sys.executable, "-m", "shared.serve"], env=env, stdout=written, stderr=written)
    transport = httpx.HTTPTransport(retries=50)
    took = []
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=70, transport=transport) as http:
            while not http.get("/health/ready").is_success:
                time.sleep(0.05)
            started = time.perf_counter() - start
            for seed in range(KILLS):
                job_id = http.post("/api/jobs", json=BODY | {"seed": seed}).json()["id"]
                step_of(http, job_id, attempt=1)
                generate_child(stack).kill()
                killed = time.perf_counter()
                step_of(http, job_id, attempt=2)
                took.append(time.perf_counter() - killed)
                http.get(f"/api/jobs/{job_id}", params={"wait": 60})
    finally:
        family = psutil.Process(stack.pid).children(recursive=True)
        stack.terminate()
        stack.wait()
        for process in family:
            if process.is_running():
                process.kill()
    median, most = statistics.median(took), max(took)
    with capsys.disabled():
        print(f"\na killed child to its next drawing's first step: median {median:.2f} s, most {most:.2f} s", end=", ")
        print(f"a stack's start: {started:.2f} s, ratio {median / started:.2f}; all: {[round(s, 2) for s in took]}")


def step_of(http, job_id, attempt):
    """Waits until this attempt of the job has drawn a step."""
    while True:
        job = http.get(f"/api/jobs/{job_id}", params={"include": "none"}).json()
        if job["attempt"] == attempt and job["progress"]["step"] > 0:
            return
        assert job["finished_at"] is None, job
        time.sleep(0.01)


def generate_child(stack):
    """The process of the worker that draws."""
    family = psutil.Process(stack.pid).children(recursive=True)
    of_worker = [process for process in family if "worker.generate" in process.cmdline()]
    return max(of_worker, key=lambda process: process.create_time())
