"""How much memory Redis needs at the worst, so that nothing is refused before the queue's own bound refuses it.

Redis itself never takes more than its `maxmemory`: beyond it, submits are refused with 503 and drawings wait. This is
the bound below which that can happen although the queue still has room.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.schemas import MAX_PIXELS

# Of one job: its hash, its places in the queue, the lists and the deadlines, its idempotency key. Measured on Valkey 9
# with 500 four-byte characters, 16 sizes, the longest keys, ids and webhook_url, traced: 9.0 KiB
# (tests/integration/api/test_capacity.py).
RECORD_BYTES = 12 * 1024
# Of the stream of events, which is bounded by entries (shared/ledger.py), and what an empty server takes.
EVENTS_BYTES = 2 * 2**20
SERVER_BYTES = 8 * 2**20
# Base64 of pixels that do not compress at all, in an allocator whose size classes are a quarter apart.
PNG_BYTES_PER_PIXEL = 3 * 4 / 3
ALLOCATOR = 1.25


@dataclass(frozen=True, slots=True)
class Capacity:
    """Bytes at the worst."""

    queue: int  # records of queued jobs
    records: int  # records of jobs that have ended
    images: int  # finished images, or the raw pixels that they are made of, which are fewer bytes
    service: int  # events, and the server itself

    @property
    def total(self) -> int:
        return self.queue + self.records + self.images + self.service


def worst_case(
    *, max_queue_length: int, jobs_per_hour: float, result_ttl_seconds: int, job_ttl_seconds: int
) -> Capacity:
    """`jobs_per_hour` is what the workers can draw together, each job with as many pixels as a submit may ask for."""
    images = MAX_PIXELS * PNG_BYTES_PER_PIXEL * ALLOCATOR
    return Capacity(
        queue=max_queue_length * RECORD_BYTES,
        records=round(jobs_per_hour / 3600 * max(job_ttl_seconds, result_ttl_seconds) * RECORD_BYTES),
        images=round(jobs_per_hour / 3600 * result_ttl_seconds * images),
        service=EVENTS_BYTES + SERVER_BYTES,
    )
