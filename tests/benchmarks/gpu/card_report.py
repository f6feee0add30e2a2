"""`make card-report`: what this machine's card measures, as one page of tables and JSON to paste elsewhere."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import run

from shared.gpus import list_gpus
from worker.flux import compile_cache

GIB = 2**30
# GiB of the card from which on a part runs, the largest first: what fits decides what can be drawn with.
PARTS = (
    (38, ("exact", "fast", "draft")),
    (22.5, ("memory-8bit",)),
    (10.8, ("memory-4bit",)),
    (0, ("memory-offload",)),
)


def parts_for(memory_bytes: int) -> tuple[str, ...]:
    return next(parts for least, parts in PARTS if memory_bytes >= least * GIB)


def page(machine: str, card: dict, results: list[dict], notes: list[str]) -> str:
    found = {"machine": machine, "card": card, "results": results, "notes": notes}
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(value)}" for name, value in found.items())
    return f"# {card['name']}\n\n{run.tables(results, notes)}\n```json\n{{\n{lines}\n}}\n```\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("out/card-report"), help="folder for the page and the raw output"
    )
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    if not list_gpus():
        raise SystemExit("this machine has no NVIDIA card")
    gpu = list_gpus()[0]
    compile_cache.use(Path(tempfile.mkdtemp(prefix="flux-report-")), gpu)
    results, notes = [], []
    for part in parts_for(gpu.memory_total_bytes):
        # A slow card takes longer than the H100 that run.py's limits are for.
        limit, command = run.PARTS[part]
        found, note = run.run_part(part, command, 6 * limit, out)
        results += found
        notes.append(note)
        print(note, flush=True)
    card = {"name": gpu.name, "memory_gib": round(gpu.memory_total_bytes / GIB, 1)}
    path = out / "report.md"
    path.write_text(page(run.machine(), card, results, notes))
    print(path.read_text())
    print(f"this page is {path}")


if __name__ == "__main__":
    main()
