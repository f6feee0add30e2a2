"""`make bench-gpu`: on a machine with a card, the worker's plans against the first version's way, at FLUX.1-dev's full
size with random weights. Each part is a process of its own with a limit; what fails or finds no time is listed, and the
rest stands.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from shared.gpus import list_gpus
from worker.flux import compile_cache

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
# By name: seconds after which a part is given up, and its command. Cheapest and most decisive first.
PARTS = {
    "today": (110, "speed.py today"),
    "exact": (150, "speed.py exact"),
    "fast": (180, "speed.py fast"),
    "draft": (120, "speed.py draft"),
    "memory-8bit": (100, "memory.py 8bit"),
    "shapes": (240, "shapes.py"),
    "memory-4bit": (120, "memory.py 4bit"),
    "fidelity": (150, "fidelity.py"),
    # With what the first one compiled.
    "exact-again": (90, "speed.py exact"),
    "variations": (200, "variations.py"),
    "few-steps": (150, "few_steps.py"),
    "backlog": (200, "backlog.py"),
    # One job of four images, and four jobs, over as many cards as the machine has.
    "cards": (300, "cards.py"),
    "memory-offload": (150, "memory.py offload"),
    "blocks": (150, "blocks.py"),
    "loading": (260, "loading.py"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", default=",".join(PARTS), help="names, separated by commas, in the order to run")
    parser.add_argument("--seconds", type=float, default=540, help="begin no part that this could not hold a third of")
    parser.add_argument("--cache", type=Path, help="folder of what is compiled; none: an empty one, for cold starts")
    parser.add_argument("--out", type=Path, default=Path("out/bench-gpu"), help="folder for the raw output")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if not list_gpus():
        raise SystemExit("this machine has no NVIDIA card")
    compile_cache.use(options.cache or Path(tempfile.mkdtemp(prefix="flux-bench-")), list_gpus()[0])
    started = time.monotonic()
    results: list[dict] = []
    notes = []
    for part in options.parts.split(","):
        left = options.seconds - (time.monotonic() - started)
        limit, command = PARTS[part]
        if left < limit / 3:
            notes.append(f"{part}: not run, {left:.0f} s were left")
            continue
        found, note = run_part(part, command, min(left, limit), options.out)
        results += found
        notes.append(note)
        print(note, flush=True)
        (options.out / "results.jsonl").write_text("".join(json.dumps(item) + "\n" for item in results))
        (options.out / "tables.md").write_text(tables(results, notes))
    print((options.out / "tables.md").read_text() if results else "\n".join(notes))


def run_part(part: str, command: str, limit: float, out: Path) -> tuple[list[dict], str]:
    start = time.monotonic()
    path = out / f"{part}.log"
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    env |= {"PYTHONUNBUFFERED": "1", "OMP_WAIT_POLICY": "passive"}
    script, *arguments = command.split()
    words = [sys.executable, str(HERE / script), *arguments]
    with path.open("w") as log:
        process = subprocess.Popen(words, env=env, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        try:
            code = process.wait(limit)
            ended = "done" if code == 0 else f"failed ({code}), see {path.name}"
        except subprocess.TimeoutExpired:
            # With what it started.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            ended = f"stopped after {limit:.0f} s"
    lines = [line.removeprefix("RESULT ") for line in path.read_text().splitlines() if line.startswith("RESULT ")]
    return [json.loads(line) | {"ran": part} for line in lines], f"{part}: {ended}, {time.monotonic() - start:.0f} s"


def tables(results: list[dict], notes: list[str]) -> str:
    by_part = defaultdict(list)
    for item in results:
        by_part[item["part"]].append(item)
    today = {item["size"]: item["seconds"] for item in by_part["speed"] if item["way"] == "today"}
    for item in by_part["speed"]:
        item["of today"] = round(item["seconds"] / today[item["size"]], 3) if item["size"] in today else None
    kernels = [item for item in by_part.pop("kernel", []) if item["milliseconds"] >= 1]
    parts = [f"## {part}\n\n{table(rows)}" for part, rows in by_part.items()]
    if kernels:
        parts.append(f"## heaviest kernels of a drawing of two steps\n\n{table(kernels)}")
    return "\n\n".join([machine(), *parts, "## parts\n\n" + "\n".join(f"- {note}" for note in notes)]) + "\n"


def table(rows: list[dict]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row if name != "part"))
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(str(row.get(name, "")) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def machine() -> str:
    card = subprocess.run(
        ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        check=False,
    )
    commit = subprocess.run(["git", "log", "-1", "--format=%h"], capture_output=True, text=True, check=False, cwd=ROOT)
    names = [f"{name} {_version(name)}" for name in ("torch", "diffusers", "transformers", "triton", "torchao")]
    python = f"Python {platform.python_version()}"
    return f"{card.stdout.strip()}; {python}; {', '.join(names)}; commit {commit.stdout.strip() or 'unknown'}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


if __name__ == "__main__":
    main()
