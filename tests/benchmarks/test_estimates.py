"""How good the estimates are, and how soon a canceled job stops; on the CPU model, through the whole stack."""

import itertools
import random
import statistics
import time
from datetime import datetime

import pytest

pytestmark = pytest.mark.benchmark
PROMPT = "a red fox head, geometric"
JOBS = 24
TERMINAL = ("succeeded", "failed", "canceled", "expired")


def submit(http, **body):
    return http.post("/api/jobs", json={"prompt": PROMPT, "sizes": [256]} | body).json()


def ended(http, job_id):
    while (job := http.get(f"/api/jobs/{job_id}?wait=60&include=none").json())["status"] not in TERMINAL:
        pass
    return job


@pytest.mark.parametrize("counts", [(1,), (1, 4)])
def test_the_error_of_the_estimate_on_a_steady_backlog(http, capsys, counts):
    """Jobs of two sizes and several numbers of steps and images; compares each queued job's estimates with its end."""
    choice = random.Random(1)
    shapes = [
        {"sizes": [size], "steps": steps, "num_images": count}
        for size, steps, count in itertools.product((256, 512), (8, 16, 28), counts)
    ]
    for size in (256, 512):
        ended(http, submit(http, sizes=[size], steps=8)["id"])
    ids = [submit(http, **choice.choice(shapes))["id"] for _ in range(JOBS)]
    told = []  # (job, time, estimate)
    left = set(ids)
    while left:
        for job_id in sorted(left):
            job = http.get(f"/api/jobs/{job_id}?include=none").json()
            if job["status"] == "queued":
                told.append((job_id, time.time(), job["eta_seconds"]))
            elif job["status"] in TERMINAL:
                left.discard(job_id)
        time.sleep(0.5)
    ends = {job_id: datetime.fromisoformat(ended(http, job_id)["finished_at"]).timestamp() for job_id in ids}
    errors = [abs(now + eta - ends[job_id]) / (ends[job_id] - now) for job_id, now, eta in told]
    with capsys.disabled():
        print(
            f"\nestimate of {JOBS} queued jobs of {counts} images, {len(errors)} readings: median absolute error"
            f" {statistics.median(errors):.1%}, 90th percentile {statistics.quantiles(errors, n=10)[-1]:.1%}"
        )


def test_the_steps_that_a_canceled_job_still_takes(http, capsys):
    after = []
    for _ in range(10):
        job_id = submit(http, sizes=[512], steps=50)["id"]
        while http.get(f"/api/jobs/{job_id}").json()["progress"]["step"] < 5:
            time.sleep(0.05)
        at = http.delete(f"/api/jobs/{job_id}").json()["progress"]["step"]
        after.append(ended(http, job_id)["progress"]["step"] - at)
    with capsys.disabled():
        print(
            f"\nsteps from DELETE to the end of a running job: median {statistics.median(after):g}, most {max(after)}"
        )
