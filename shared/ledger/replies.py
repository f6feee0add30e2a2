"""The results of the ledger's commands, and the functions that parse the scripts' replies."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.jobs import Job


class Outcome(StrEnum):
    """The result of a move. `MOVED` and `ALREADY` both mean that the job is in the state that the caller wanted."""

    MOVED = "moved"
    ALREADY = "already"  # an earlier, equal call has moved it
    FLAGGED = "flagged"  # cancel only: the job's worker will cancel it
    REFUSED = "refused"  # another state or attempt: the caller no longer holds the job
    EXHAUSTED = "exhausted"  # claim only: MAX_ATTEMPTS are used up
    NO_ROOM = "no_room"  # claim only: Redis has too little memory left for the result
    MISSING = "missing"  # no such job, or another owner's
    EMPTY = "empty"  # claim only: no job is queued

    @property
    def holds(self) -> bool:
        return self in (Outcome.MOVED, Outcome.ALREADY)


class Hold(StrEnum):
    """The result of renewing a lease."""

    HELD = "held"
    LOST = "lost"  # the job is no longer this attempt's
    CANCEL = "cancel"  # the caller asked for cancellation
    EXPIRED = "expired"  # the job's deadline has passed


class Creation(StrEnum):
    """The result of creating a job."""

    CREATED = "created"
    REPLAYED = "replayed"  # the same idempotency key and request: the earlier job
    REJOINED = "rejoined"  # the job of an equal held call that was cut
    CONFLICT = "conflict"  # the same idempotency key, another request
    FULL = "full"  # the queue is at its bound
    OWNER_FULL = "owner_full"  # the owner's queued jobs are at their bound
    OWNER_HIGH_FULL = "owner_high_full"  # the owner's queued jobs of high priority are at their bound
    NO_ROOM = "no_room"  # Redis has too little memory left for the result
    IMAGE_GONE = "image_gone"  # the image that the job starts from took too long to be stored
    INPUTS_FULL = "inputs_full"  # the images that jobs start from which have not ended are at their bound
    OWNER_INPUTS_FULL = "owner_inputs_full"  # the owner's are at half of it
    OWNER_QUOTA = "owner_quota"  # the owner has used up its quota of this month
    OWNER_TOO_OFTEN = "owner_too_often"  # the jobs that the owner has created in this minute are at their bound


@dataclass(frozen=True, slots=True)
class Reading:
    job: Job
    queue_position: int | None  # from 1; None unless queued
    quota_remaining: int | None = None  # after a submit: images, or seconds, of this month; None without a quota


@dataclass(frozen=True, slots=True)
class Moved:
    outcome: Outcome
    job: Job | None


@dataclass(frozen=True, slots=True)
class Created:
    outcome: Creation
    reading: Reading | None = None  # the job that was created, or the earlier one
    depth: int = 0  # jobs counted against the bound that was reached, or bytes that found no room; 0 if none was
    again_seconds: float = 0  # when the minute of OWNER_TOO_OFTEN or the month of OWNER_QUOTA is over
    quota_left: int | None = None  # images, or ms of denoising, in this month; None without a quota


@dataclass(frozen=True, slots=True)
class Backlog:
    depth: int
    oldest_age_seconds: float


def job_of(flat: list[bytes]) -> Job | None:
    """The job of a hash as HGETALL returns it in Lua (field, value, ...); None for an empty one."""
    texts = [item.decode() for item in flat]
    return Job.from_record(dict(zip(texts[::2], texts[1::2], strict=True))) if texts else None


def reading_of(reply: list[Any]) -> Reading | None:
    """`reply`: the job's rank in the queue from 0, or -1, then its record."""
    job = job_of(reply[1:])
    return Reading(job, reply[0] + 1 if reply[0] >= 0 else None) if job else None


def moved_of(reply: list[Any]) -> Moved:
    return Moved(Outcome(reply[0].decode()), job_of(reply[1:]))


def created_of(reply: list[Any]) -> Created:
    outcome = Creation(reply[0].decode())
    match reply[1:]:
        case [left, again_ms] if outcome is Creation.OWNER_QUOTA:
            return Created(outcome, again_seconds=again_ms / 1000, quota_left=left)
        case [depth]:
            return Created(outcome, depth=depth)
        case [depth, again_ms]:
            return Created(outcome, depth=depth, again_seconds=again_ms / 1000)
    left, *read = reply[1:]
    return Created(outcome, reading_of(read), quota_left=int(left) if left else None)


def ids_of(reply: list[bytes]) -> list[str]:
    return [item.decode() for item in reply]
