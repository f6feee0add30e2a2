"""What the service adds to a drawing: from a held call to its answer with the PNG, and between two drawings.

How long the drawings themselves and the PNGs took is in the log of the workers.
"""

import functools
import statistics
import time

import pytest

from tests.benchmarks.log_events import between_drawings, by_job

pytestmark = pytest.mark.benchmark
JOBS, BACKLOG, STEPS = 100, 40, 4


@pytest.fixture
def log(http, tmp_path):
    """The lines of the stack's log with an event, by job: `log("job.drawn")` is {job_id: line}."""
    return functools.partial(by_job, tmp_path / "log")


def body(size, seed):
    return {"prompt": "a red fox head, geometric", "sizes": [size], "seed": seed, "steps": STEPS}


@pytest.mark.parametrize("size", [256, 512])
def test_a_held_call_over_its_drawing(http, log, capsys, size):
    """The call is submitted, queued, drawn, encoded and answered; nothing else is to be drawn."""
    took = {}
    for seed in range(JOBS):
        start = time.perf_counter()
        answer = http.post("/api/jobs", json=body(size, seed), headers={"Prefer": "wait=60"}).json()
        took[answer["id"]] = time.perf_counter() - start
        assert answer["images"].keys() == {str(size)}
    drawn, encoded = log("job.denoised"), log("job.encoded")
    added = [seconds - drawn[job_id]["seconds"] for job_id, seconds in took.items()]
    p50, p99 = statistics.median(added), statistics.quantiles(added, n=100, method="inclusive")[-1]
    drawing, png = (statistics.median(line["seconds"] for line in lines.values()) for lines in (drawn, encoded))
    with capsys.disabled():
        print(f"\nadded to a drawing of {size} px: p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms", end=", ")
        print(f"of which the PNG {png * 1000:.1f} ms; a drawing {drawing * 1000:.0f} ms, ratio {p50 / drawing:.3f}")


def test_between_two_drawings_of_a_backlog(http, log, capsys):
    ids = [http.post("/api/jobs", json=body(256, seed)).json()["id"] for seed in range(BACKLOG)]
    for job_id in ids:
        while http.get(f"/api/jobs/{job_id}", params={"wait": 60, "include": "none"}).json()["status"] != "succeeded":
            pass
    ends, claims = log("job.denoised"), log("job.claimed")
    gaps = between_drawings(ends, claims)
    drawing = statistics.median(line["seconds"] for line in ends.values())
    gap, most = statistics.median(gaps), max(gaps)
    with capsys.disabled():
        print(f"\nbetween two drawings: median {gap * 1000:.1f} ms, most {most * 1000:.1f} ms", end=", ")
        print(f"a drawing: {drawing * 1000:.0f} ms, ratio {gap / drawing:.3f}")
