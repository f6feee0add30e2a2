"""What the worker asks of a model. Torch is imported behind this protocol only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.jobs import Failure


class OnStep(Protocol):
    """Called after each denoising step with (steps done, steps of all images); what it raises stops the drawing and is
    passed on. `preview`, only where PREVIEWS is set: makes a small JPEG of what is drawn, on whichever thread calls it.
    """

    def __call__(self, step: int, steps: int, preview: Callable[[], bytes] | None = None, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Drawing:
    prompt: str
    size: int  # the largest edge asked for, in pixels
    seeds: tuple[int, ...]  # an image for each
    steps: int | None = None  # None: the model's default
    guidance: float | None = None


@dataclass(frozen=True, slots=True)
class Pixels:
    """RGB, 8 bits, row by row, an image for each seed: `len(data) == len(seeds) * width * height * 3`."""

    width: int
    height: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Device:
    type: str  # cuda | mps | cpu
    name: str
    uuid: str = ""
    memory_allocated_bytes: int = 0
    memory_reserved_bytes: int = 0
    memory_total_bytes: int = 0


class GenerationError(Exception):
    """The model could not draw this. `code` is the job's error code, the message is for its owner."""

    def __init__(self, code: Failure, message: str) -> None:
        super().__init__(message)
        self.code = code


class DeviceLost(Exception):
    """The device answers this process no more (a poisoned CUDA context): only another process can use it."""


class LogoModel(Protocol):
    name: str

    def setup(self) -> None:
        """Load and warm up. Called once, before anything else."""

    def generate(self, drawing: Drawing, on_step: OnStep) -> Pixels:
        """:raises GenerationError: with a code and a message for the job's owner.
        :raises DeviceLost: the process must end.
        """

    def device(self) -> Device: ...
