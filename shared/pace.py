"""How long drawing takes, as measured: for each model and width drawn, kept in Redis beside the ledger.

A hash for each model, with the fields `WIDTH:step` (seconds of a denoising step), `WIDTH:fixed` (seconds of a drawing
beside its steps), `WIDTH:finish` (seconds from the pixels to the images), `WIDTH:asked` (the largest size that was ever
drawn at this width) and `steps` (where a job names none).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shared.scripts import Command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.jobs import Job

# A new measurement's part of the mean: the last ten or so decide, and a slower card is known after a few jobs.
WEIGHT = 0.2


def key(model: str) -> str:
    return f"logo:pace:{model}"


def learn_drawing(job: Job, step_seconds: float) -> Command[None]:
    """Of a job that has just become `finishing`. `step_seconds`: the mean of its steps after the first."""
    fixed = max(0.0, (job.drawn_at - job.started_at) / 1000 - job.steps * step_seconds)
    measured: dict[str, Any] = {f"{job.width}:step": step_seconds, f"{job.width}:fixed": fixed}
    return _learn(
        job.model,
        # The first step has the encoding of the prompt in it: a drawing of one step teaches only who knows nothing.
        {
            "mean" if job.steps > 1 else "first": measured,
            "largest": {f"{job.width}:asked": max(job.sizes)},
            "last": {} if job.requested_steps else {"steps": job.steps},
        },
    )


def learn_finishing(job: Job) -> Command[None]:
    """Of a job that has just succeeded."""
    return _learn(job.model, {"mean": {f"{job.width}:finish": (job.finished_at - job.drawn_at) / 1000}})


def _learn(model: str, measured: dict[str, Any]) -> Command[None]:
    return Command("learn", (key(model),), (str(WEIGHT), json.dumps(measured)), lambda _: None)


class Pace:
    """What is known of one model; every answer is None where nothing is known."""

    def __init__(self, record: Mapping[str, float]) -> None:
        self._record = record
        self._widths = sorted(int(field.removesuffix(":step")) for field in record if field.endswith(":step"))

    def steps(self, requested: int) -> int | None:
        return requested or (int(self._record["steps"]) if "steps" in self._record else None)

    def step_seconds(self, size: int) -> float | None:
        return self._record.get(f"{self._width(size)}:step")

    def drawing_seconds(self, size: int, requested_steps: int) -> float | None:
        """From the claim to the pixels."""
        step, steps = self.step_seconds(size), self.steps(requested_steps)
        if step is None or steps is None:
            return None
        return steps * step + self._record[f"{self._width(size)}:fixed"]

    def finishing_seconds(self, size: int) -> float:
        """From the pixels to the images; 0 until the first has been measured."""
        return self._record.get(f"{self._width(size)}:finish", 0.0)

    def _width(self, size: int) -> int | None:
        """The width that a size is drawn at, as far as it has been seen: the smallest that holds it, or one that a
        size as large was enlarged from.
        """
        holding = (width for width in self._widths if width >= size or self._record[f"{width}:asked"] >= size)
        return next(holding, None)
