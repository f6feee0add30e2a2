"""What the making of outputs is given and what it gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from worker.outputs.metadata import About

if TYPE_CHECKING:
    from PIL import Image

    from worker.outputs.credentials import Signer

__all__ = ["About", "File", "Made", "Marking", "Shortfall"]


@dataclass(frozen=True, slots=True)
class File:
    """`name` is as in `GET /api/jobs/{id}/images/{name}`; `width` and `height` in pixels, 0 for a zip."""

    name: str
    format: str
    media_type: str
    width: int
    height: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Shortfall:
    """An output that could not be made, or not as it was asked for; `message` names it."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Marking:
    """`metadata`: prompt, seed and the rest of `About` in each file. `signer`: None leaves content credentials out."""

    metadata: bool = True
    signer: Signer | None = None


@dataclass(slots=True)
class Made:
    files: list[File] = field(default_factory=list)
    warnings: list[Shortfall] = field(default_factory=list)
    palette: list[str] = field(default_factory=list)  # `#rrggbb`, the fills of the SVG; empty without one
    colors_share: float | None = None  # of the flat pixels, in the colours that were asked for; None: none were
    tile: Image.Image | None = None  # the drawing for the sheet of all variations, if one is wanted
    seconds: dict[str, float] = field(default_factory=dict)  # of the CPU, with signing, by the output that they went to
