"""Full size, random weights, under the memory of the card that a plan is for. Needs a card of 40 GB or more; slow."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(600)]
BENCH = Path(__file__).parents[1] / "benchmarks" / "gpu"


@pytest.mark.parametrize(("plan", "cap_gib"), [("8bit", 22.5), ("4bit", 10.8), ("offload", 8.0)])
def test_each_plan_draws_1024_pixels_under_its_cap(plan, cap_gib):
    """In a process of its own: a cap and a context are a process's."""
    done = subprocess.run(
        [sys.executable, str(BENCH / "memory.py"), plan],
        env=os.environ | {"PYTHONPATH": str(BENCH.parents[2]) + os.pathsep + os.environ.get("PYTHONPATH", "")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    found = json.loads(line.removeprefix("RESULT "))
    print(found)
    assert found["peak"] < cap_gib
