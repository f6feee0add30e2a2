"""Measured drawing times, which the workers record in Redis and the API estimates with (api/forecast.py).

Each model has a hash with the fields `WIDTHxIMAGES:step` (seconds of a denoising step of one image),
`WIDTHxIMAGES:fixed` (seconds of the whole drawing without its steps), `WIDTHxIMAGES:finish` (seconds from the pixels to
the finished images), `WIDTH:asked` (the largest size that was drawn at this width) and `steps` (the model's default
number of steps of an image).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.ledger.run import Command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.jobs import Job

# The weight of a new measurement in the mean: about ten measurements dominate it, so that a slower card shows soon.
WEIGHT = 0.2


def key(model: str) -> str:
    return f"logo:pace:{model}"


def learn_drawing(job: Job, step_seconds: float) -> Command[None]:
    """Records a job that has just become `finishing`. `step_seconds`: the mean over its steps after the first."""
    fixed = max(0.0, (job.drawn_at - job.started_at) / 1000 - job.steps * step_seconds)
    kind, steps = f"{job.width}x{job.num_images}", job.steps // job.num_images
    measured: dict[str, Any] = {f"{kind}:step": step_seconds, f"{kind}:fixed": fixed}
    return _learn(
        job.model,
        # The first step includes encoding the prompt, so a drawing of one step counts only if nothing is known yet.
        {
            "mean" if steps > 1 else "first": measured,
            "largest": {f"{job.width}:asked": max(job.sizes)},
            "last": {} if job.requested_steps else {"steps": steps},
        },
    )


def learn_finishing(job: Job) -> Command[None]:
    """Records a job that has just succeeded."""
    seconds = (job.finished_at - job.drawn_at) / 1000
    return _learn(job.model, {"mean": {f"{job.width}x{job.num_images}:finish": seconds}})


def _learn(model: str, measured: dict[str, Any]) -> Command[None]:
    return Command("learn", (key(model),), (str(WEIGHT), json.dumps(measured)), lambda _: None)


@dataclass(frozen=True, slots=True)
class Shape:
    """The part of a request that determines how long its drawing takes."""

    size: int  # the largest, in pixels
    requested_steps: int  # of each image; 0: the model's default
    num_images: int = 1

    @classmethod
    def of(cls, job: Job) -> Shape:
        return cls(max(job.sizes), job.requested_steps, job.num_images)


class Pace:
    """The measured times of one model; step and drawing times are None if nothing was measured.

    A number of images that was never drawn at a width is estimated as a multiple of the smallest number that was.
    """

    def __init__(self, record: Mapping[str, float]) -> None:
        self._record = record
        kinds = (field.removesuffix(":step").split("x") for field in record if field.endswith(":step"))
        self._kinds = sorted((int(width), int(images)) for width, images in kinds)

    def step_seconds(self, shape: Shape) -> float | None:
        """Seconds of one denoising step of one image."""
        kind, _ = self._kind(shape)
        return self._record.get(f"{kind}:step")

    def drawing_seconds(self, shape: Shape) -> float | None:
        """Seconds from the claim to the pixels."""
        step, steps = self.step_seconds(shape), shape.requested_steps or self._record.get("steps")
        if step is None or steps is None:
            return None
        kind, times = self._kind(shape)
        return steps * shape.num_images * step + times * self._record[f"{kind}:fixed"]

    def finishing_seconds(self, shape: Shape) -> float:
        """Seconds from the pixels to the finished images; 0 if none was measured."""
        kind, times = self._kind(shape)
        return times * self._record.get(f"{kind}:finish", 0.0)

    def _kind(self, shape: Shape) -> tuple[str, float]:
        """The closest measured kind, `WIDTHxIMAGES`, and the asked number of images as a multiple of its own; an empty
        kind if none fits.

        Its width is the smallest measured one that is as large as the size, or from which a size as large was enlarged.
        """
        asked = self._record
        holding = [(w, n) for w, n in self._kinds if w >= shape.size or asked.get(f"{w}:asked", 0) >= shape.size]
        counts = [images for width, images in holding if width == holding[0][0]]
        if not counts:
            return "", 1.0
        images = shape.num_images if shape.num_images in counts else counts[0]
        return f"{holding[0][0]}x{images}", shape.num_images / images
