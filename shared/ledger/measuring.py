"""What the workers measure of each drawing, folded into means for the estimates (shared/pace.py has the fields)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shared.ledger import keys
from shared.ledger.run import Command
from shared.pace import asked_field, field_of, finish_field

if TYPE_CHECKING:
    from shared.jobs import Job

# The weight of a new measurement in the mean: about ten measurements dominate it, so that a slower card shows soon.
WEIGHT = 0.2


def learn_drawing(job: Job, step_seconds: float) -> Command[None]:
    """Records a job that has just become `finishing`. `step_seconds`: the mean over its steps after the first."""
    fixed = max(0.0, (job.drawn_at - job.started_at) / 1000 - job.steps * step_seconds)
    drawn, steps = job.drawn, job.steps // job.num_images
    measured: dict[str, Any] = {
        field_of(drawn, job.num_images, "step"): step_seconds,
        field_of(drawn, job.num_images, "fixed"): fixed,
    }
    return _learn(
        job.model,
        # The first step includes encoding the prompt, so a drawing of one step counts only if nothing is known yet.
        {
            "mean" if steps > 1 else "first": measured,
            "largest": {asked_field(drawn): job.largest.edge},
            "last": {} if job.requested_steps or job.has_image else {"steps": steps},
        },
    )


def learn_finishing(job: Job) -> Command[None]:
    """Records a job that has just succeeded."""
    seconds = (job.finished_at - job.drawn_at) / 1000
    field = field_of(job.drawn, job.num_images, finish_field(job.outputs))
    return _learn(job.model, {"mean": {field: seconds}})


def _learn(model: str, measured: dict[str, Any]) -> Command[None]:
    return Command("learn", (keys.pace(model),), (str(WEIGHT), json.dumps(measured)), lambda _: None)
