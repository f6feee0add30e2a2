"""What a user does with a working stack."""

import base64
import io
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from PIL import Image

from shared.stack.serve import free_port
from shared.stack.supervision import STOP_SECONDS

START = [sys.executable, "-m", "shared.serve"]


def size_of(encoded):
    image = Image.open(io.BytesIO(base64.b64decode(encoded)))
    assert image.format == "PNG"
    return image.size


def pixels_of(encoded):
    return Image.open(io.BytesIO(base64.b64decode(encoded))).tobytes()


def test_the_apps_three_calls(stack):
    assert stack.http.get("/").json()["status"] == "healthy"
    health = stack.http.get("/health").json()
    assert (health["status"], health["model_loaded"], health["model"]) == ("healthy", True, "logo-mini")
    assert health["gpu"] == {"gpu_available": False, "device_type": "cpu"}
    answer = stack.http.post("/api/generate_logo", json={"prompt": "a red fox head", "sizes": [64, 256, 300]})
    assert answer.status_code == 200
    assert {size: size_of(data) for size, data in answer.json()["images"].items()} == {
        "64": (64, 64),
        "256": (256, 256),
        "300": (300, 300),
    }
    assert stack.http.post("/api/generate_logo", json={"prompt": "ab"}).status_code == 422


def test_a_long_wait_returns_the_result_the_moment_it_is_ready(stack):
    job = stack.submit(steps=4)
    start = time.monotonic()
    done = stack.http.get(f"/api/jobs/{job['id']}", params={"wait": 30}).json()
    assert (done["status"], size_of(done["images"]["64"])) == ("succeeded", (64, 64))
    assert done["progress"] == {"step": 4, "steps": 4, "fraction": 1}
    assert time.monotonic() - start < 15


def test_the_same_seed_is_the_same_image_and_another_is_another(stack):
    ids = [stack.submit(seed=seed, steps=2)["id"] for seed in (5, 5, 6)]
    # The content credentials in the files differ.
    images = [pixels_of(stack.end_of(job_id)["images"]["64"]) for job_id in ids]
    assert images[0] == images[1] != images[2]


@pytest.mark.parametrize("count", [20, pytest.param(50, marks=pytest.mark.slow)])
def test_many_at_once_each_get_their_own(stack, count):
    with ThreadPoolExecutor(count) as pool:
        jobs = list(pool.map(lambda seed: stack.submit(seed=seed, steps=1), range(count)))
        done = list(pool.map(lambda job: stack.end_of(job["id"]), jobs))
    assert {job["status"] for job in done} == {"succeeded"}
    assert [job["seed"] for job in done] == list(range(count))
    assert {job["attempt"] for job in done} == {1}
    # Each job has its own noise, so equal images would mean that one went to two jobs.
    assert len({job["images"]["64"] for job in done}) == count


def test_a_running_job_is_canceled_within_a_step(stack):
    job = stack.submit(sizes=[512], steps=50)
    stack.wait_until(lambda: stack.get(job["id"])["progress"]["step"] >= 2)
    at = stack.http.delete(f"/api/jobs/{job['id']}").json()["progress"]["step"]
    done = stack.end_of(job["id"])
    assert done["status"] == "canceled"
    assert done["progress"]["step"] <= at + 3


def moves_of(stack, job_id):
    return [e for e in stack.events(job_id=job_id) if e["event"].startswith("job.")]


def test_every_line_of_a_job_carries_its_ids(stack):
    response = stack.http.post(
        "/api/jobs", json={"prompt": "fox\n{}", "sizes": [64], "steps": 1}, headers={"X-Request-ID": "trace-me"}
    )
    job_id = response.json()["id"]
    stack.end_of(job_id)
    # Each process writes its own lines in order; whose line comes first is not said.
    expected = {
        "api": ["job.created"],
        "generate": ["job.claimed", "job.denoised", "job.drawn"],
        "finish": ["job.encoded", "job.succeeded"],
    }
    stack.wait_until(lambda: len(moves_of(stack, job_id)) == sum(map(len, expected.values())))
    ours = stack.events(job_id=job_id)
    told = [(e["process"], e["event"]) for e in moves_of(stack, job_id)]
    assert {process: [event for at, event in told if at == process] for process, _ in told} == expected
    assert {e["request_id"] for e in moves_of(stack, job_id)} == {"trace-me"}
    assert {e["process"] for e in ours} == set(expected)


def test_a_stack_that_still_loads_ends_as_fast(new_stack):
    stack = new_stack(WARMUP_SIZE="512", WARMUP_STEPS="50", until="alive")
    stack.wait_until(lambda: stack.events(event="model.loaded"))
    seconds, left = stack.stop()
    assert seconds < STOP_SECONDS  # none had to be killed
    assert left == []


@pytest.mark.parametrize(
    ("name", "value", "bound"),
    [
        ("PORT", "0", "1"),
        ("REDIS_MAXMEMORY", "lots", "kb"),
        ("MAX_QUEUE_LENGTH", "-1", "greater"),  # of the API only
        ("STALL_SECONDS", "0", "greater"),  # of the workers only
        ("JOB_TTL_SECONDS", "0", "greater"),  # of both
        ("DATA_DIR", "two\nlines", "control character"),
    ],
)
def test_a_wrong_setting_ends_the_start_with_one_line(tmp_path, name, value, bound):
    env = os.environ | {"DATA_DIR": str(tmp_path), name: value}
    result = subprocess.run(
        [sys.executable, "-m", "shared.serve"], env=env, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert name in result.stderr
    assert bound in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_second_stack_on_the_same_data_is_refused(stack):
    for change in ({"PORT": str(free_port())}, {"DATA_DIR": str(stack.directory / "other")}):
        result = subprocess.run(START, env=stack.env | change, capture_output=True, text=True, check=False)
        assert result.returncode == 1
        assert "in use" in result.stderr or "cannot be used" in result.stderr
    assert psutil.pid_exists(stack.process.pid)
    assert stack.ready()
