"""Checks that a job belongs to its caller; every read of a job for a caller passes through `visible`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.errors import JobNotFound

if TYPE_CHECKING:
    from shared.jobs import Job
    from shared.ledger.replies import Reading


def visible(reading: Reading | None, owner: str | None, job_id: str) -> Reading:
    """The reading, if `owner` owns its job; an `owner` of None may see every job.

    :raises JobNotFound: the job is unknown or another owner's; callers must not be able to tell which.
    """
    if reading is None or not owns(owner, reading.job):
        raise not_found(job_id)
    return reading


def owns(owner: str | None, job: Job) -> bool:
    return owner in (None, job.owner)


def not_found(job_id: str) -> JobNotFound:
    return JobNotFound(f"no job has the id {job_id}")
