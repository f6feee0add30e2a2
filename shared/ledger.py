"""The job ledger: the only code that writes a job's status.

Each function names an intent and returns a `Command` (shared/scripts.py), which a `Ledger` or an `AsyncLedger` runs.
Each is one atomic script, and safe to run again after a lost reply.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from shared import counters
from shared.counters import COUNTERS
from shared.jobs import Failure, Job, JobStatus, Priority, encode, is_terminal, sources
from shared.scripts import Command

if TYPE_CHECKING:
    from collections.abc import Iterable

QUEUED = "logo:queued"
LEASES = "logo:leases"
DEADLINES = "logo:deadlines"
EVENTS = "logo:events"
OWNED = "logo:owned"  # less ':' and the owner: the jobs of each (shared/listing.py)
FORGET = "logo:forget"
WEBHOOKS = "logo:webhooks"  # shared/webhooks.py
OWN_QUEUED = "logo:own-queued"  # less ':' and the owner
# What a priority adds to the time of creation (ms), which is the score in the queue: more than any time is apart.
# Normal adds nothing, so that what the version before has queued stands where it stood.
QUEUE_OFFSETS = {Priority.HIGH: -(10**13), Priority.NORMAL: 0, Priority.LOW: 10**13}
MAX_EVENTS = 10_000
IDEMPOTENCY_TTL_SECONDS = 24 * 3600
LEASE_SECONDS = 10.0
MAX_ATTEMPTS = 3


class Outcome(StrEnum):
    """What a move came to. `MOVED` and `ALREADY` both mean that the job is where the caller wanted it."""

    MOVED = "moved"
    ALREADY = "already"  # by an earlier, equal call
    FLAGGED = "flagged"  # cancel only: its worker will stop it
    REFUSED = "refused"  # another state or attempt: the caller no longer holds the job
    EXHAUSTED = "exhausted"  # claim only: MAX_ATTEMPTS are used up
    MISSING = "missing"

    @property
    def holds(self) -> bool:
        return self in (Outcome.MOVED, Outcome.ALREADY)


@dataclass(frozen=True, slots=True)
class Moved:
    outcome: Outcome
    job: Job | None


@dataclass(frozen=True, slots=True)
class Created:
    outcome: str  # created | replayed | conflict | full | owner_full | owner_high_full
    job_id: str  # the existing job's for replayed and conflict; how many are queued for the others
    reading: Reading | None = None  # the job, for created and replayed


@dataclass(frozen=True, slots=True)
class Reading:
    job: Job
    queue_position: int | None  # from 1, while queued


@dataclass(frozen=True, slots=True)
class Backlog:
    depth: int
    oldest_age_seconds: float


class Hold(StrEnum):
    """A lease's answer to its holder."""

    HELD = "held"
    LOST = "lost"
    CANCEL = "cancel"
    EXPIRED = "expired"


def create(  # noqa: PLR0913 - a submit's conditions
    job: Job,
    *,
    fingerprint: str = "",
    idempotency_key: str = "",
    max_queue: int,
    max_own: int = 0,
    max_own_high: int = 0,
    deadline_seconds: float = 0,
) -> Command[Created]:
    """`max_own` bounds the owner's queued jobs, `max_own_high` those of high priority; 0: only `max_queue` does."""
    return Command(
        "create",
        (
            *(job_key(job.id), QUEUED, DEADLINES, EVENTS),
            *(f"logo:idempotency:{job.owner}:{idempotency_key}", OWNED, FORGET, OWN_QUEUED),
        ),
        (
            job.id,
            json.dumps(job.to_record()),
            fingerprint if idempotency_key else "",
            IDEMPOTENCY_TTL_SECONDS,
            max_queue,
            encode(deadline_seconds),
            MAX_EVENTS,
            job.owner,
            QUEUE_OFFSETS[job.priority],
            max_own,
            max_own_high,
        ),
        lambda reply: Created(reply[0].decode(), reply[1].decode(), reading_of(reply[2:]) if reply[2:] else None),
    )


def claim(job_id: str, *, worker: str, delivery: str) -> Command[Moved]:
    """Queued -> running, as the next attempt. `delivery` names this delivery of the message."""
    return _move(
        job_id,
        JobStatus.RUNNING,
        claim=delivery,
        max_attempts=MAX_ATTEMPTS,
        set_={"worker": worker, "step": 0, "drawn_at": 0},
        stamp="started_at",
        lease_seconds=LEASE_SECONDS,
        stage="queued",
    )


def renew(job_id: str, attempt: int, *, step: int = 0, steps: int | None = None) -> Command[Hold]:
    """Running and finishing alike; without `steps` the progress stays as it is."""
    return Command(
        "renew",
        (job_key(job_id), LEASES),
        (job_id, attempt, round(LEASE_SECONDS * 1000), step, "" if steps is None else steps),
        lambda reply: Hold(reply.decode()),
    )


def finish(  # noqa: PLR0913 - what is known of the drawing
    job_id: str, attempt: int, *, width: int, height: int, model: str, steps: int = 0
) -> Command[Moved]:
    """Running -> finishing: the raw pixels of this attempt are stored."""
    return _move(
        job_id,
        JobStatus.FINISHING,
        attempt=attempt,
        set_={"width": width, "height": height, "model": model, "step": steps, "steps": steps},
        stamp="drawn_at",
        lease_seconds=LEASE_SECONDS,
        stage="denoise",
        count={counters.STEPS: steps},
    )


def refinish(job_id: str, attempt: int, tries: int, *, reason: str = "", unless_leased: bool = False) -> Command[Moved]:
    """Finishing stays finishing: the message went out once more, under a new lease."""
    return _move(
        job_id,
        JobStatus.FINISHING,
        attempt=attempt,
        from_={JobStatus.FINISHING},
        set_={"finish_tries": tries},
        lease_seconds=LEASE_SECONDS,
        unless_leased=unless_leased,
        again=True,
        count=_recovery(reason, JobStatus.FINISHING),
    )


def succeed(job_id: str, attempt: int, *, images_expire_at: int, ttl_seconds: int) -> Command[Moved]:
    """Finishing -> succeeded: the images of this attempt are stored."""
    return _end(
        job_id, JobStatus.SUCCEEDED, ttl_seconds, attempt, {"images_expire_at": images_expire_at}, stage="finish"
    )


def fail(  # noqa: PLR0913 - what is known of the failure
    job_id: str,
    *,
    code: Failure,
    message: str,
    ttl_seconds: int,
    attempt: int | None = None,
    reason: str = "",
    unless_leased: bool = False,
) -> Command[Moved]:
    """`reason`: why its holder was lost, if it was."""
    return _end(
        job_id,
        JobStatus.FAILED,
        ttl_seconds,
        attempt,
        {"error_code": code, "error_message": message},
        count=_recovery(reason, JobStatus.FAILED),
        unless_leased=unless_leased,
    )


def cancel(job_id: str, *, ttl_seconds: int, attempt: int | None = None, unless_leased: bool = False) -> Command[Moved]:
    """Ends the job, whoever holds it. Its worker calls this; a caller asks with `request_cancel`."""
    return _end(job_id, JobStatus.CANCELED, ttl_seconds, attempt, unless_leased=unless_leased)


def request_cancel(job_id: str, *, ttl_seconds: int) -> Command[Moved]:
    """queued, finishing -> canceled at once; running is flagged and canceled by its worker within a step."""
    return _end(job_id, JobStatus.CANCELED, ttl_seconds, flag_from={JobStatus.RUNNING})


def expire(job_id: str, *, ttl_seconds: int, attempt: int | None = None) -> Command[Moved]:
    return _end(job_id, JobStatus.EXPIRED, ttl_seconds, attempt)


def requeue(job_id: str, attempt: int, *, reason: str = "", unless_leased: bool = False) -> Command[Moved]:
    """running, finishing -> queued: its worker is gone, or its pixels are.

    Here and in the other moves of a recovery: `unless_leased` leaves the job to a holder whose lease has not run out.
    """
    return _move(
        job_id,
        JobStatus.QUEUED,
        attempt=attempt,
        set_={"worker": "", "step": 0, "finish_tries": 0},
        unless_leased=unless_leased,
        count=_recovery(reason, JobStatus.QUEUED),
    )


def read(job_id: str) -> Command[Reading | None]:
    return Command("read", (job_key(job_id), QUEUED), (job_id,), reading_of)


def lost_leases(limit: int = 100) -> Command[list[str]]:
    return Command("due", (LEASES,), (limit,), _ids)


def passed_deadlines(limit: int = 100) -> Command[list[str]]:
    return Command("due", (DEADLINES,), (limit,), _ids)


def backlog() -> Command[Backlog]:
    return Command(
        "backlog", (QUEUED,), tuple(QUEUE_OFFSETS.values()), lambda reply: Backlog(reply[0], reply[1] / 1000)
    )


def queued() -> Command[list[str]]:
    """Every queued job, in the order of the queue."""
    return Command("queued", (QUEUED,), (), _ids)


def pixels_key(job_id: str, attempt: int) -> str:
    """A key for each attempt, so that a worker that lost its lease cannot overwrite its successor's pixels."""
    return f"{_pixels_prefix(job_id)}:{attempt}"


def _pixels_prefix(job_id: str) -> str:
    return f"logo:pixels:{job_id}"


def job_key(job_id: str) -> str:
    return f"logo:job:{job_id}"


def _end(  # noqa: PLR0913 - every terminal move goes through here
    job_id: str,
    target: JobStatus,
    ttl_seconds: int,
    attempt: int | None = None,
    set_: dict[str, Any] | None = None,
    flag_from: set[JobStatus] | None = None,
    stage: str | None = None,
    count: dict[str, int] | None = None,
    unless_leased: bool = False,
) -> Command[Moved]:
    return _move(
        job_id,
        target,
        attempt=attempt,
        set_=set_,
        stamp="finished_at",
        ttl_seconds=ttl_seconds,
        flag_from=flag_from,
        unless_leased=unless_leased,
        stage=stage,
        count={counters.ended(target, (set_ or {}).get("error_code", "")): 1} | (count or {}),
    )


def _recovery(reason: str, to: JobStatus) -> dict[str, int]:
    return {counters.recovered(reason, to): 1} if reason else {}


def _move(  # noqa: PLR0913 - one script, whose options these are (shared/lua/move.lua)
    job_id: str,
    target: JobStatus,
    *,
    attempt: int | None = None,
    from_: Iterable[JobStatus] | None = None,
    flag_from: Iterable[JobStatus] | None = None,
    claim: str | None = None,
    max_attempts: int | None = None,
    set_: dict[str, Any] | None = None,
    stamp: str | None = None,
    lease_seconds: float | None = None,
    ttl_seconds: int | None = None,
    unless_leased: bool = False,
    again: bool = False,
    stage: str | None = None,
    count: dict[str, int] | None = None,
) -> Command[Moved]:
    flagged = set(flag_from or ())
    options = {
        "to": target,
        "from": sorted((sources(target) if from_ is None else set(from_)) - flagged),
        "flag_from": sorted(flagged),
        "attempt": attempt,
        "claim": claim,
        "max_attempts": max_attempts,
        "set": {name: encode(value) for name, value in (set_ or {}).items()},
        "stamp": stamp,
        "lease_ms": None if lease_seconds is None else round(lease_seconds * 1000),
        "ttl_s": ttl_seconds,
        "unless_leased": unless_leased or None,
        "again": again or None,
        "max_events": MAX_EVENTS,
        "stage": counters.stage(stage) if stage else None,
        "count": count,
    }
    if (ttl_seconds is not None) != is_terminal(target):
        raise ValueError(f"a terminal state, and only that, takes a TTL: {target}")
    return Command(
        "move",
        (
            *(job_key(job_id), QUEUED, LEASES, DEADLINES, EVENTS, _pixels_prefix(job_id), FORGET, OWN_QUEUED),
            *(COUNTERS, WEBHOOKS),
        ),
        (job_id, json.dumps({name: value for name, value in options.items() if value is not None})),
        lambda reply: Moved(Outcome(reply[0].decode()), _job(reply[1:])),
    )


def _job(flat: list[bytes]) -> Job | None:
    texts = [item.decode() for item in flat]
    return Job.from_record(dict(zip(texts[::2], texts[1::2], strict=True))) if texts else None


def reading_of(reply: list[Any]) -> Reading | None:
    job = _job(reply[1:])
    return Reading(job, reply[0] + 1 if reply[0] >= 0 else None) if job else None


def _ids(reply: list[bytes]) -> list[str]:
    return [item.decode() for item in reply]
