"""Names the results of a job for the stores: a `Place` for each kind and attempt, and the parts in it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.canvas import Canvas


class Kind(StrEnum):
    PIXELS = "pixels"  # one part for the finisher: raw RGB, 8 bits, row by row, image after image
    IMAGES = "images"  # a part for each finished image, by `image_name`, and for each file, by its own name
    INPUT = "input"  # one part: the image that was sent with the request, PNG; of the job, not of an attempt
    PREVIEW = "preview"  # one part: the newest small JPEG of an unfinished drawing


# The part's name in a kind that has only one.
WHOLE = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A result of one attempt: a worker that has lost its lease cannot overwrite the results of its successor."""

    kind: Kind
    job_id: str
    attempt: int
    keeps_first: bool = False  # images that are stored already stay, though others are put there

    @property
    def key(self) -> str:
        return f"logo:{self.kind}:{self.job_id}:{self.attempt}"


def pixels(job_id: str, attempt: int) -> Place:
    return Place(Kind.PIXELS, job_id, attempt)


def images(job_id: str, attempt: int) -> Place:
    return Place(Kind.IMAGES, job_id, attempt)


def finished_images(job_id: str, attempt: int) -> Place:
    """As `images`, for a finisher: one that was paused past its lease must not replace what its successor has stored.
    Signed files differ each time that they are made.
    """
    return Place(Kind.IMAGES, job_id, attempt, keeps_first=True)


def preview(job_id: str, attempt: int) -> Place:
    return Place(Kind.PREVIEW, job_id, attempt)


def input_image(job_id: str) -> Place:
    return Place(Kind.INPUT, job_id, 0)


def input_prefix() -> str:
    """The key of an input without its job's id and ':0', for the ledger's moves, which delete it (move.lua)."""
    return input_image("").key.removesuffix(":0")


def everything(job_id: str, attempts: int) -> list[Place]:
    """All places of a job that has had so many attempts: one that was lost may have stored something too."""
    return [Place(kind, job_id, attempt) for kind in Kind for attempt in range(1, attempts + 1)] + [input_image(job_id)]


def folder(place: Place) -> str:
    """Where a store of objects keeps the place's parts."""
    return f"{place.job_id}/{place.attempt}"


def pixels_prefix(job_id: str) -> str:
    """The key of a job's pixels without colon and attempt, for the ledger's moves, which delete pixels (move.lua)."""
    return pixels(job_id, 0).key.removesuffix(":0")


def image_name(size: Canvas | int | str, index: int) -> str:
    """The part's name for variation `index`, from 0: `512` for the first, `512-2` and so on for the others."""
    return f"{size}-{index + 1}" if index else str(size)
