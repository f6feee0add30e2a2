"""The protocol between the worker and a model. Torch is imported behind it only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from shared.canvas import Canvas

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.jobs import Failure


class OnStep(Protocol):
    """Called at the start and after each denoising step with the steps done and their total, over all images of the
    drawing. An exception that it raises stops the drawing and is passed on. `preview` is given only where PREVIEWS is
    set; it makes a small JPEG of the drawing so far, on the thread that calls it.
    """

    def __call__(self, step: int, steps: int, preview: Callable[[], bytes] | None = None, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Drawing:
    prompt: str
    size: Canvas  # the largest picture asked for; given as a number, a square of this edge
    seeds: tuple[int, ...]  # one for each image
    steps: int | None = None  # None: the model's default
    guidance: float | None = None
    image: bytes | None = None  # PNG, RGB: what the drawing starts from
    strength: float = 1.0  # with `image`: from 0, which is the image, to 1, which is the text alone

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", Canvas.of(self.size))


@dataclass(frozen=True, slots=True)
class Pixels:
    """RGB, 8 bits, row by row, one image for each seed: `len(data) == len(seeds) * width * height * 3`."""

    width: int
    height: int
    data: bytes
    # Of the drawing's prompt, those that the model took, where it was too long for it; None: all.
    prompt_characters: int | None = None


@dataclass(frozen=True, slots=True)
class Device:
    type: str  # cuda | mps | cpu
    name: str
    uuid: str = ""
    memory_allocated_bytes: int = 0
    memory_reserved_bytes: int = 0
    memory_total_bytes: int = 0


class GenerationError(Exception):
    """The model cannot draw this. `code` is the job's error code, the message is for the job's owner."""

    def __init__(self, code: Failure, message: str) -> None:
        super().__init__(message)
        self.code = code


class DeviceLost(Exception):
    """The device fails every call of this process (a poisoned CUDA context): only another process can use it."""


class LogoModel(Protocol):
    name: str

    def setup(self) -> None:
        """Load and warm up. Called once, before anything else."""

    def generate(self, drawing: Drawing, on_step: OnStep) -> Pixels:
        """Draws an image for each seed.

        :raises GenerationError: with a code and a message for the job's owner.
        :raises DeviceLost: the process must end.
        """

    def device(self) -> Device: ...
