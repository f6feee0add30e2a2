"""The lines of a stack's log, as the benchmarks read them."""

from __future__ import annotations

import itertools
import json
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def by_job(log: Path, event: str) -> dict[str, dict]:
    """The lines with this event, by job."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return {line["job_id"]: line for line in lines if line.get("event") == event}


def between_drawings(ended: dict[str, dict], claimed: dict[str, dict]) -> list[float]:
    """Seconds from the end of each drawing of `ended` to the next claim, of one worker."""
    order = sorted(ended, key=lambda job_id: _at(claimed[job_id]))
    return [_at(claimed[after]) - _at(ended[before]) for before, after in itertools.pairwise(order)]


def _at(line: dict) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()
