"""What the service adds to a drawing: from a held call to its answer with the PNG, and between two drawings.

How long the drawings themselves and the PNGs took is in the log of the workers.
"""

import itertools
import json
import statistics
import time
from datetime import datetime

import pytest

pytestmark = pytest.mark.benchmark
JOBS, BACKLOG, STEPS = 100, 40, 4


@pytest.fixture
def log(http, tmp_path):
    """The lines of the stack's log with an event, by job: `log("job.drawn")` is {job_id: line}."""

    def by_job(event):
        lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines() if line.startswith("{")]
        return {line["job_id"]: line for line in lines if line.get("event") == event}

    return by_job


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
    order = sorted(ids, key=lambda job_id: _at(claims[job_id]))
    gaps = [_at(claims[after]) - _at(ends[before]) for before, after in itertools.pairwise(order)]
    drawing = statistics.median(line["seconds"] for line in ends.values())
    gap, most = statistics.median(gaps), max(gaps)
    with capsys.disabled():
        print(f"\nbetween two drawings: median {gap * 1000:.1f} ms, most {most * 1000:.1f} ms", end=", ")
        print(f"a drawing: {drawing * 1000:.0f} ms, ratio {gap / drawing:.3f}")


def _at(line):
    return datetime.fromisoformat(line["timestamp"]).timestamp()
