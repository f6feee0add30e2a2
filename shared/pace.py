"""Measured drawing times, which the workers record (shared/ledger/measuring.py) and the API estimates with
(api/forecast.py).

Each model has a mapping with the fields `EDGExIMAGES:step` (seconds of a denoising step of one image),
`EDGExIMAGES:fixed` (seconds of the whole drawing without its steps), `EDGExIMAGES:finish` (seconds from the pixels to
the finished images; with `:OUTPUTS` behind it for jobs of more than PNGs, such as `:icons+svg`), `EDGE:asked` (the
largest size that was drawn at this edge) and `steps` (the model's default number of steps of an image).

EDGE is the drawing's width. Of one that is no square it is that of a square with as many pixels, and the names behind
the colon begin with `wide-`, which older processes do not read.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from shared.strength import steps_drawn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.canvas import Canvas
    from shared.jobs import Job
    from shared.outputs import Outputs


WIDE = "wide-"


def field_of(drawn: Canvas, images: int, name: str) -> str:
    return f"{drawn.edge}x{images}:{'' if drawn.is_square else WIDE}{name}"


def asked_field(drawn: Canvas) -> str:
    return f"{drawn.edge}:{'' if drawn.is_square else WIDE}asked"


@functools.lru_cache(1024)
def finish_field(outputs: Outputs) -> str:
    """What a finish's time is kept under, behind `EDGExIMAGES:`."""
    coloured = bool(outputs.colors or outputs.background_color)
    further = {"transparent": outputs.transparent, "icons": outputs.icons, "colors": coloured, "sheet": outputs.sheet}
    names = {*outputs.formats, *(name for name, wanted in further.items() if wanted)} - {"png"}
    return ":".join(["finish", "+".join(sorted(names))]) if names else "finish"


@dataclass(frozen=True, slots=True)
class Shape:
    """The part of a request that determines how long its drawing takes."""

    size: int  # the largest, in pixels: the edge of a square, or of one with as many pixels
    requested_steps: int  # of each image; 0: the model's default
    num_images: int = 1
    finish: str = "finish"  # `finish_field`
    oblong: bool = False
    strength: float = 1.0  # below 1, only a part of the steps is drawn (shared/strength.py)

    @classmethod
    def of(cls, job: Job) -> Shape:
        largest, finish = job.largest, finish_field(job.outputs)
        asked = cls(largest.edge, job.requested_steps, job.num_images, finish, oblong=not largest.is_square)
        return replace(asked, strength=job.strength) if job.has_image else asked


def _outputs(field: str) -> set[str]:
    return set(field.partition("finish:")[2].split("+")) - {""}


class _Kind(NamedTuple):
    """The closest measured kind of drawing."""

    name: str = ""  # `EDGExIMAGES:`, with WIDE; empty if none fits
    times: float = 1.0  # the asked number of images as a multiple of the kind's

    def field(self, name: str) -> str:
        return self.name + name


class Pace:
    """The measured times of one model; step and drawing times are None if nothing was measured.

    A number of images that was never drawn at a width is estimated as a multiple of the smallest number that was. What
    is no square is estimated as a square of as many pixels while none was drawn.
    """

    def __init__(self, record: Mapping[str, float]) -> None:
        self._record = record
        self._kinds = {mark: _kinds(record, mark) for mark in ("", WIDE)}

    def step_seconds(self, shape: Shape) -> float | None:
        """Seconds of one denoising step of one image."""
        return self._record.get(self._kind(shape).field("step"))

    def drawing_seconds(self, shape: Shape) -> float | None:
        """Seconds from the claim to the pixels."""
        step, steps = self.step_seconds(shape), shape.requested_steps or self._record.get("steps")
        if step is None or steps is None:
            return None
        kind, drawn = self._kind(shape), steps_drawn(int(steps), shape.strength)
        return drawn * shape.num_images * step + kind.times * self._record[kind.field("fixed")]

    def finishing_seconds(self, shape: Shape) -> float:
        """Seconds from the pixels to the finished images; 0 if none was measured. Outputs that were not measured
        together take as long, at least, as those of them that were.
        """
        kind = self._kind(shape)
        if (measured := self._record.get(kind.field(shape.finish))) is not None:
            return kind.times * measured
        asked = _outputs(shape.finish)
        parts = {field: _outputs(field) for field in self._record if field.startswith(kind.field("finish"))}
        return kind.times * max((self._record[field] for field, part in parts.items() if part <= asked), default=0.0)

    def _kind(self, shape: Shape) -> _Kind:
        """Its edge is the smallest measured one that is as large as the size, or from which a size as large was
        enlarged.
        """
        for mark in (WIDE, "") if shape.oblong else ("",):
            largest = {edge: self._record.get(f"{edge}:{mark}asked", 0) for edge, _ in self._kinds[mark]}
            holding = [(edge, n) for edge, n in self._kinds[mark] if max(edge, largest[edge]) >= shape.size]
            if holding:
                counts = [images for edge, images in holding if edge == holding[0][0]]
                images = shape.num_images if shape.num_images in counts else counts[0]
                return _Kind(f"{holding[0][0]}x{images}:{mark}", shape.num_images / images)
        return _Kind()


def _kinds(record: Mapping[str, float], mark: str) -> list[tuple[int, int]]:
    """The measured (edge, images), from small to large."""
    kinds = (field.removesuffix(f":{mark}step").split("x") for field in record if field.endswith(f":{mark}step"))
    return sorted((int(edge), int(images)) for edge, images in kinds)
