"""Where the results of a job are kept: the name of each kind of result, and of the images in it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    PIXELS = "pixels"  # one part: raw RGB, 8 bits, row by row, image after image; between worker and finisher
    IMAGES = "images"  # a part for each finished image, by `image_name`
    PREVIEW = "preview"  # one part: a small JPEG of a drawing that is under way; the newest replaces the one before


# The name of the part of a kind that has only one.
WHOLE = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Of one attempt: a worker that lost its lease cannot overwrite its successor's results."""

    kind: Kind
    job_id: str
    attempt: int

    @property
    def key(self) -> str:
        return f"logo:{self.kind}:{self.job_id}:{self.attempt}"


def pixels(job_id: str, attempt: int) -> Place:
    return Place(Kind.PIXELS, job_id, attempt)


def images(job_id: str, attempt: int) -> Place:
    return Place(Kind.IMAGES, job_id, attempt)


def preview(job_id: str, attempt: int) -> Place:
    return Place(Kind.PREVIEW, job_id, attempt)


def pixels_prefix(job_id: str) -> str:
    """The key of a job's pixels without the colon and the attempt: a move of the ledger deletes them (move.lua)."""
    return pixels(job_id, 0).key.removesuffix(":0")


def image_name(size: int | str, index: int) -> str:
    """The name of image `index`, from 0, of a job: `512` for the first, `512-2` and so on for the others."""
    return f"{size}-{index + 1}" if index else str(size)
