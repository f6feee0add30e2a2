"""What the ledger answers, and how a script's reply is read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.jobs import Job


class Outcome(StrEnum):
    """What a move came to. `MOVED` and `ALREADY` both mean that the job is where the caller wanted it."""

    MOVED = "moved"
    ALREADY = "already"  # by an earlier, equal call
    FLAGGED = "flagged"  # cancel only: the worker that runs the job will stop it
    REFUSED = "refused"  # another state or attempt: the caller no longer holds the job
    EXHAUSTED = "exhausted"  # claim only: MAX_ATTEMPTS are used up
    MISSING = "missing"  # no such job, or another owner's

    @property
    def holds(self) -> bool:
        return self in (Outcome.MOVED, Outcome.ALREADY)


class Hold(StrEnum):
    """A lease's answer to its holder."""

    HELD = "held"
    LOST = "lost"
    CANCEL = "cancel"
    EXPIRED = "expired"


class Creation(StrEnum):
    """What a submit came to."""

    CREATED = "created"
    REPLAYED = "replayed"  # the same idempotency key and request: the earlier job
    CONFLICT = "conflict"  # the same idempotency key, another request
    FULL = "full"  # the queue's bound
    OWNER_FULL = "owner_full"  # the owner's bound
    OWNER_HIGH_FULL = "owner_high_full"  # the owner's bound of high-priority jobs


@dataclass(frozen=True, slots=True)
class Reading:
    job: Job
    queue_position: int | None  # from 1, while queued


@dataclass(frozen=True, slots=True)
class Moved:
    outcome: Outcome
    job: Job | None


@dataclass(frozen=True, slots=True)
class Created:
    outcome: Creation
    reading: Reading | None = None  # the job that was created, or that the idempotency key had created before
    depth: int = 0  # how many jobs the exceeded bound counted, where one was exceeded


@dataclass(frozen=True, slots=True)
class Backlog:
    depth: int
    oldest_age_seconds: float


def job_of(flat: list[bytes]) -> Job | None:
    """A hash as HGETALL gives it in Lua; None where it is empty."""
    texts = [item.decode() for item in flat]
    return Job.from_record(dict(zip(texts[::2], texts[1::2], strict=True))) if texts else None


def reading_of(reply: list[Any]) -> Reading | None:
    """`reply`: the rank in the queue from 0, or -1, then the record."""
    job = job_of(reply[1:])
    return Reading(job, reply[0] + 1 if reply[0] >= 0 else None) if job else None


def moved_of(reply: list[Any]) -> Moved:
    return Moved(Outcome(reply[0].decode()), job_of(reply[1:]))


def created_of(reply: list[Any]) -> Created:
    outcome = Creation(reply[0].decode())
    if len(reply) == 2:  # noqa: PLR2004 - only how many are queued
        return Created(outcome, depth=reply[1])
    return Created(outcome, reading_of(reply[1:]))


def ids_of(reply: list[bytes]) -> list[str]:
    return [item.decode() for item in reply]
