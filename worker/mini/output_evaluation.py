"""`python -m worker.mini.evaluate --outputs`: measures what is made of the CPU model's drawings, with the goals beside.

The drawings are kept in a folder, because drawing takes most of the time. They are enlarged to 1024 pixels first, as
the service does for that size. Times are CPU seconds of one core.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from PIL import Image

from shared.outputs import Outputs
from worker.mini import logos
from worker.mini.output_figures import judge
from worker.outputs.credentials import open_signer
from worker.outputs.making import About, Marking, make

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from worker.mini.evaluate import Case

SIDE = 1024
WANTED = Outputs(formats=("png", "webp", "svg"), transparent=True, icons=True)
# name, what it is of all drawings, and the goal with its direction.
GOALS: dict[str, tuple[Any, str, float]] = {
    "alpha_error": (statistics.fmean, "<=", 0.02),
    "halo": (statistics.fmean, "<=", 0.01),
    "ssim": (statistics.median, ">=", 0.93),
    "paths": (statistics.median, "<=", 40),
    "svg_bytes": (statistics.median, "<=", 40 * 1024),
    "seconds": (statistics.median, "<=", 1.2),
    "plain_512_seconds": (statistics.median, "<=", 0.015),
    "peak_mib": (max, "<=", 400),
}
# A finish child: what it imports, and all outputs of one drawing.
CHILD = f"""
import re, sys
import celery, redis, shared.ledger.moves, shared.queue
from PIL import Image
from shared.outputs import Outputs
from worker.outputs.credentials import open_signer
from worker.outputs.making import About, Marking, make
drawn = Image.open(sys.argv[1]).convert("RGB").resize(({SIDE}, {SIDE}))
make(drawn, (256, 512, {SIDE}), 0, {WANTED!r}, About("", 0, "", 1, 1, ""), Marking(signer=open_signer(None, None)))
assert "torch" not in sys.modules
# Not getrusage's, which is at least what the parent had.
print(int(re.search("VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) // 1024)
"""


def colours_of(case: Case) -> tuple[str, list[str]]:
    """The page's colour, and those of what is on it."""
    page = logos.page_for(case.container, case.colour, case.ground)
    others = [case.colour] if case.container == "none" else [case.ground, case.colour]
    return page, [name for name in others if name != page]


def evaluate(paths: Sequence[Path], cases: Sequence[Case]) -> bool:
    """Prints the figures; whether all goals are met."""
    found: dict[str, list[float]] = defaultdict(list)
    steps: dict[str, list[float]] = defaultdict(list)
    warnings: list[str] = []
    signer = open_signer(None, None)
    for path, case in zip(paths, cases, strict=True):
        drawn = Image.open(path).convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        about = About(case.prompt, case.seed, "cpu model", 28, 3.5, "evaluation")
        start = time.thread_time()
        made = make(drawn, (SIDE,), 0, WANTED, about, Marking(signer=signer))
        found["seconds"].append(time.thread_time() - start)
        for name, seconds in made.seconds.items():
            steps[name].append(seconds)
        warnings += [f"{path.name}: {warning.message}" for warning in made.warnings]
        small = drawn.resize((512, 512), Image.Resampling.LANCZOS)
        start = time.thread_time()
        make(small, (512,), 0, Outputs(), about, Marking())
        found["plain_512_seconds"].append(time.thread_time() - start)
        if not made.warnings:
            for name, value in asdict(judge(drawn, made, *colours_of(case))).items():
                found[name].append(value)
    found["peak_mib"] = [_peak_mib(path) for path in paths[:3]]
    print("seconds by step, median:", json.dumps({k: round(statistics.median(v), 3) for k, v in steps.items()}))  # noqa: T201
    print(f"{len(warnings)} warnings", *warnings, sep="\n  ")  # noqa: T201
    return report(found)


def report(found: dict[str, list[float]]) -> bool:
    met = True
    for name, (kind, direction, goal) in GOALS.items():
        value = kind(found[name]) if found[name] else float("nan")
        good = value <= goal if direction == "<=" else value >= goal
        met = met and good
        print(f"{name:18} {kind.__name__:7} {value:10.4f} {direction} {goal}: {'yes' if good else 'NO'}")  # noqa: T201
    return met


def _peak_mib(path: Path) -> float:
    done = subprocess.run([sys.executable, "-c", CHILD, str(path)], check=True, capture_output=True, text=True)  # noqa: S603
    return float(done.stdout)
