"""Loads the finished images of a job for a JSON response."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.results import places

if TYPE_CHECKING:
    from shared.jobs import Job
    from shared.results.store import ResultReader


async def load_images(results: ResultReader, job: Job) -> dict[str, str]:
    """Base64 PNGs by `image_name`; empty once they have expired."""
    images = await results.get(places.images(job.id, job.attempt))
    return {name: image.decode() for name, image in images.items()}
