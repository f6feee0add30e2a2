"""Whose a job is: every reading of a job for a caller passes here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.errors import JobNotFound

if TYPE_CHECKING:
    from shared.jobs import Job
    from shared.ledger.replies import Reading


def visible(reading: Reading | None, owner: str | None, job_id: str) -> Reading:
    """The reading, if its job is the caller's own; whosever it is for None.

    :raises JobNotFound: unknown, or another owner's: the two must look alike.
    """
    if reading is None or not owns(owner, reading.job):
        raise not_found(job_id)
    return reading


def owns(owner: str | None, job: Job) -> bool:
    return owner in (None, job.owner)


def not_found(job_id: str) -> JobNotFound:
    return JobNotFound(f"no job has the id {job_id}")
