"""Estimates the memory that Redis needs in the worst case; used by the memory check at startup and by /metrics.

Redis never takes more than its `maxmemory`: once it is full, submits are answered 503 and finished drawings wait to be
stored. With a `maxmemory` below this estimate, that can happen while the queue still has room.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.ledger.room import ALLOCATOR, PNG_BYTES_PER_PIXEL, RAW_BYTES_PER_PIXEL, SERVER_BYTES
from shared.schemas import MAX_PIXELS

# One job takes its hash, its entries in the queue, the owner's list and the deadlines, and its idempotency key. 9.0 KiB
# were measured on Valkey 9 for a traced job with a prompt of 500 four-byte characters, 16 sizes and the longest keys,
# ids and webhook_url (tests/integration/api/test_capacity.py).
RECORD_BYTES = 12 * 1024
# The list of the files of an ended job, for 16 sizes of four images in all formats.
FILES_BYTES = 16 * 1024
# The events stream holds about MAX_EVENTS entries (shared/ledger/moves.py).
EVENTS_BYTES = 2 * 2**20


# Where images are in another store: their index, of 16 sizes of four images in all formats; and how long raw pixels
# wait to be finished, of two jobs at least.
INDEX_BYTES = 48 * 1024
PIXELS_SECONDS, LEAST_JOBS = 600, 2


@dataclass(frozen=True, slots=True)
class Capacity:
    """Bytes that Redis holds in the worst case."""

    queue: int  # records of queued jobs
    inputs: int  # images that jobs start from, until they end
    records: int  # records of jobs that have ended
    images: int  # finished images and files; the raw pixels before them take fewer bytes. Elsewhere: pixels and indexes
    service: int  # events, and the server itself

    @property
    def total(self) -> int:
        return self.queue + self.inputs + self.records + self.images + self.service


def worst_case(  # noqa: PLR0913 - each is a setting
    *,
    max_queue_length: int,
    max_input_bytes: int,
    jobs_per_hour: float,
    result_ttl_seconds: int,
    job_ttl_seconds: int,
    images_in_redis: bool = True,
) -> Capacity:
    """`jobs_per_hour`: jobs of MAX_PIXELS each that all workers together can draw in an hour. Files count as pixels
    (shared/results/footprint.py), so that a job with files may count as two.
    """
    kept = jobs_per_hour / 3600 * result_ttl_seconds
    if images_in_redis:
        images = round(kept * MAX_PIXELS * PNG_BYTES_PER_PIXEL * ALLOCATOR)
    else:
        finished_at_once = max(LEAST_JOBS, jobs_per_hour / 3600 * PIXELS_SECONDS)
        images = round(finished_at_once * MAX_PIXELS * RAW_BYTES_PER_PIXEL * ALLOCATOR + kept * INDEX_BYTES)
    return Capacity(
        queue=max_queue_length * RECORD_BYTES,
        inputs=round(max_input_bytes * ALLOCATOR),
        records=round(jobs_per_hour / 3600 * max(job_ttl_seconds, result_ttl_seconds) * (RECORD_BYTES + FILES_BYTES)),
        images=images,
        service=EVENTS_BYTES + SERVER_BYTES,
    )
