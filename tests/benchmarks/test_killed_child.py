"""How soon a worker whose child was killed draws again, against the start of all of it."""

import statistics
import time

import psutil
import pytest

pytestmark = pytest.mark.benchmark
KILLS = 8
BODY = {"prompt": "a red fox head, geometric", "sizes": [256], "steps": 40}


def test_a_killed_child_to_its_next_drawing(stack, capsys):
    http, took = stack.http, []
    for seed in range(KILLS):
        job_id = http.post("/api/jobs", json=BODY | {"seed": seed}).json()["id"]
        step_of(http, job_id, attempt=1)
        generate_child(stack.process).kill()
        killed = time.perf_counter()
        step_of(http, job_id, attempt=2)
        took.append(time.perf_counter() - killed)
        http.get(f"/api/jobs/{job_id}", params={"wait": 60})
    median, most, started = statistics.median(took), max(took), stack.start_seconds
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
