"""The room in Redis: how many bytes a job's pixels, images and files may take, and how many are free.

A job is claimed only while there is room for its result, so that a finished drawing can always be stored. The room of a
held job is reserved: for pixels and images while it is drawn, for images while it is finished (lua/move.lua).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.ledger import keys
from shared.ledger.run import Command
from shared.results import footprint

if TYPE_CHECKING:
    from shared.jobs import Job

# Raw RGB, and three bytes of incompressible RGB as base64; the allocator rounds up to size classes that lie a quarter
# apart.
RAW_BYTES_PER_PIXEL = 3
PNG_BYTES_PER_PIXEL = footprint.BYTES_PER_PIXEL * 4 / 3
ALLOCATOR = 1.25
SERVER_BYTES = 8 * 2**20  # an empty server
# An image is drawn at the next edge that its model knows: from 512 to 2048 pixels, at most half as much again.
SMALLEST_DRAWN, LARGEST_DRAWN, DRAWN_PER_ASKED = 512, 2048, 1.5
OBLONG = 1.5
# Pixels and images of four images of 2048, the largest job of plain PNGs.
LARGEST_BYTES = round(4 * LARGEST_DRAWN**2 * (RAW_BYTES_PER_PIXEL + PNG_BYTES_PER_PIXEL) * ALLOCATOR)


def pixels_bytes(job: Job) -> int:
    asked = job.largest
    if asked.is_square:
        pixels = max(SMALLEST_DRAWN, min(LARGEST_DRAWN, asked.width * DRAWN_PER_ASKED)) ** 2
    else:
        # In one of a few aspects, that is as high and as wide: half as much again, and a rest for whole patches.
        pixels = max(SMALLEST_DRAWN**2 * OBLONG, min(LARGEST_DRAWN**2, asked.pixels * DRAWN_PER_ASKED**2 * OBLONG))
    return round(job.num_images * pixels * RAW_BYTES_PER_PIXEL * ALLOCATOR)


def image_pixels(job: Job) -> int:
    """The pixels of all finished images; files count by the room that they may take."""
    return footprint.pixels(job.canvases, job.num_images, job.outputs)


def images_bytes(job: Job) -> int:
    return round(image_pixels(job) * PNG_BYTES_PER_PIXEL * ALLOCATOR)


@dataclass(frozen=True, slots=True)
class Room:
    used: int
    maximum: int  # Redis' maxmemory; 0: no bound
    free: int  # neither used nor reserved, less a margin for messages and records; below 0 if there is too little
    next_job: int  # what the job whose turn it is needs; 0 if none is queued

    @property
    def full(self) -> bool:
        """Whether Redis refuses what takes memory, such as messages."""
        return 0 < self.maximum <= self.used

    @property
    def lacking(self) -> int:
        """The bytes that must become free so that the next job, and the largest one, can be claimed; 0 or less: none.

        With a small maxmemory a quarter of it is enough, because the largest job would not leave room for images. None
        too where an empty server has no room either: to give images up would not help.
        """
        wanted = max(self.next_job, min(LARGEST_BYTES, self.maximum // 4))
        return wanted - self.free if wanted + SERVER_BYTES <= self.maximum else 0


def room() -> Command[Room]:
    return Command("room", (keys.RESERVED, keys.QUEUED, *keys.IN_TURN), (keys.job(""),), lambda reply: Room(*reply))
