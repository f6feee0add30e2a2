"""Turns the raw pixels of a job into its images and files; worker/outputs makes those of each drawing."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PIL import Image

from shared.results import footprint
from shared.results.formats import split_file_name
from shared.settings import VERSION
from worker.outputs.making import About, File, Shortfall, make, make_sheet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.jobs import Job
    from worker.outputs.making import Made, Marking


@dataclass(slots=True)
class Finished:
    """All that is made of a job's drawings."""

    images: dict[str, bytes] = field(default_factory=dict)  # plain PNGs, by the names that the store keeps them under
    files: list[File] = field(default_factory=list)  # everything else
    warnings: list[Shortfall] = field(default_factory=list)
    palette: list[str] = field(default_factory=list)
    colors_share: float | None = None  # the lowest of the drawings
    tiles: list[Image.Image] = field(default_factory=list)

    def add(self, made: Made, quality: int) -> None:
        for file in made.files:
            stem, form = split_file_name(file.name)
            if form.part_name(stem) != file.name:
                self.images[form.part_name(stem)] = file.data
            elif len(file.data) > (most := footprint.most_bytes(file.name, quality)):
                # Redis has no room reserved for it (shared/ledger/room.py).
                message = f"{file.name}: left out, it has {len(file.data)} bytes and may have {most}"
                self.warnings.append(Shortfall("file_too_large", message))
            else:
                self.files.append(file)
        self.warnings += made.warnings
        self.tiles += [made.tile] if made.tile else []
        if made.colors_share is not None:
            self.colors_share = min(made.colors_share, 1.0 if self.colors_share is None else self.colors_share)
        self.palette += [colour for colour in made.palette if colour not in self.palette]


def make_all(pixels: bytes, job: Job, marking: Marking) -> Finished:
    """The images and files of all variations of the job.

    :raises ValueError: `pixels` does not hold whole RGB images.
    """
    finished = Finished()
    for index, drawn in enumerate(pictures(pixels, job)):
        finished.add(make(drawn, job.canvases, index, job.outputs, _about(job, index), marking), job.quality)
    if len(finished.tiles) > 1:
        captions = [f"{number}  seed {seed}" for number, seed in enumerate(job.seeds, 1)]
        finished.add(make_sheet(finished.tiles, captions, _about(job, 0), marking), job.quality)
    return finished


def pictures(pixels: bytes, job: Job) -> Iterator[Image.Image]:
    """The drawings of the variations.

    :raises ValueError: as `make_all`.
    """
    length = job.width * job.height * 3
    if not pixels or len(pixels) % length:
        raise ValueError(f"{len(pixels)} bytes are not whole RGB images of {job.width} x {job.height}")
    for start in range(0, len(pixels), length):
        yield Image.frombytes("RGB", (job.width, job.height), pixels[start : start + length])


def encode_images(finished: Finished) -> dict[str, str]:
    """All images and files as base64, by the names that the store keeps them under."""
    parts = finished.images | {file.name: file.data for file in finished.files}
    return {name: base64.b64encode(part).decode() for name, part in parts.items()}


def _about(job: Job, index: int) -> About:
    return About(
        prompt=job.prompt,
        seed=job.seeds[index],
        model=job.model,
        steps=job.steps // job.num_images,
        guidance=None if job.requested_guidance < 0 else job.requested_guidance,
        version=VERSION,
    )
