"""Makes the files of one drawing: plain PNGs always, everything else as far as it can be made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

    from shared.outputs import Outputs


@dataclass(frozen=True, slots=True)
class File:
    """`name` is as in `GET /api/jobs/{id}/images/{name}`; `width` and `height` in pixels."""

    name: str
    format: str
    media_type: str
    width: int
    height: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Shortfall:
    """An output that was asked for and could not be made, or not as asked. `message` names it."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class About:
    """What the metadata say of the drawing."""

    prompt: str
    seed: int
    model: str
    steps: int
    guidance: float | None
    version: str  # of the service


class Signer:
    """Puts signed content credentials into a file."""


@dataclass(frozen=True, slots=True)
class Marking:
    """`metadata`: prompt, seed and the rest of `About` in each file. `signer`: None leaves the credentials out."""

    metadata: bool = True
    signer: Signer | None = None


@dataclass(slots=True)
class Made:
    files: list[File] = field(default_factory=list)
    warnings: list[Shortfall] = field(default_factory=list)
    palette: list[str] = field(default_factory=list)  # `#rrggbb`, the fills of the SVG; empty without one


def make(  # noqa: PLR0913 - the whole interface
    drawn: Image.Image, sizes: tuple[int, ...], index: int, outputs: Outputs, about: About, settings: Marking
) -> Made:
    """The files of variation `index`, from 0.

    :param drawn: RGB, at the full size that was drawn.
    """
    raise NotImplementedError
