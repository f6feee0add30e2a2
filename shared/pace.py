"""Measured drawing times, which the workers record (shared/ledger/measuring.py) and the API estimates with
(api/forecast.py).

Each model has a mapping with the fields `WIDTHxIMAGES:step` (seconds of a denoising step of one image),
`WIDTHxIMAGES:fixed` (seconds of the whole drawing without its steps), `WIDTHxIMAGES:finish` (seconds from the pixels to
the finished images; with `:OUTPUTS` behind it for jobs of more than PNGs, such as `:icons+svg`), `WIDTH:asked` (the
largest size that was drawn at this width) and `steps` (the model's default number of steps of an image).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.jobs import Job
    from shared.outputs import Outputs


def finish_field(outputs: Outputs) -> str:
    """What a finish's time is kept under, behind `WIDTHxIMAGES:`."""
    coloured = bool(outputs.colors or outputs.background_color)
    further = {"transparent": outputs.transparent, "icons": outputs.icons, "colors": coloured, "sheet": outputs.sheet}
    names = {*outputs.formats, *(name for name, wanted in further.items() if wanted)} - {"png"}
    return ":".join(["finish", "+".join(sorted(names))]) if names else "finish"


@dataclass(frozen=True, slots=True)
class Shape:
    """The part of a request that determines how long its drawing takes."""

    size: int  # the largest, in pixels
    requested_steps: int  # of each image; 0: the model's default
    num_images: int = 1
    finish: str = "finish"  # `finish_field`

    @classmethod
    def of(cls, job: Job) -> Shape:
        return cls(max(job.sizes), job.requested_steps, job.num_images, finish_field(job.outputs))


def _outputs(field: str) -> set[str]:
    return set(field.partition("finish:")[2].split("+")) - {""}


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
        """Seconds from the pixels to the finished images; 0 if none was measured. Outputs that were not measured
        together take as long, at least, as those of them that were.
        """
        kind, times = self._kind(shape)
        if (measured := self._record.get(f"{kind}:{shape.finish}")) is not None:
            return times * measured
        asked = _outputs(shape.finish)
        parts = {field: _outputs(field) for field in self._record if field.startswith(f"{kind}:finish")}
        return times * max((self._record[field] for field, part in parts.items() if part <= asked), default=0.0)

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
