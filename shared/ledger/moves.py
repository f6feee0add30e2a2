"""The moves of the job ledger: the only code that writes a job's status.

Each function names an intent and returns a `Command` (run.py). Each is one atomic script, and safe to run again after a
lost reply.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from shared.jobs import Failure, JobStatus, encode_field, is_terminal, sources
from shared.ledger import counters, keys
from shared.ledger.replies import Created, Hold, Moved, created_of, moved_of
from shared.ledger.run import Command
from shared.results.places import pixels_prefix

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from shared.jobs import Job

MAX_EVENTS = 10_000
IDEMPOTENCY_TTL_SECONDS = 24 * 3600
LEASE_SECONDS = 10.0
LEASE_MS = round(LEASE_SECONDS * 1000)
MAX_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One atomic compare-and-set (lua/move.lua). The fields are the script's options; one that is unset is not sent.

    :raises ValueError: a terminal state without `ttl_s`, or `ttl_s` with another.
    """

    to: JobStatus
    only_from: AbstractSet[JobStatus] | None = None  # the states that it may leave; None: all that TRANSITIONS allows
    flag_from: AbstractSet[JobStatus] = frozenset()  # states in which cancel_requested is set instead
    attempt: int | None = None  # the expected fencing token; None: any
    owner: str | None = None  # the expected owner; None: any
    claim: str | None = None  # names the delivery that takes the job
    max_attempts: int | None = None
    set: dict[str, Any] = field(default_factory=dict)
    stamp: str | None = None  # the field that takes the time of the move
    stamp_later: dict[str, int] = field(default_factory=dict)  # fields that take a later time, by ms from the move
    lease_ms: int | None = None
    ttl_s: int | None = None  # life of the record from now on
    unless_leased: bool = False  # refuse while the present lease has not run out
    again: bool = False  # from a state to itself, for a new lease
    stage: str | None = None  # the stage whose time ends here (counters.py)
    count: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.ttl_s is not None) != is_terminal(self.to):
            raise ValueError(f"a terminal state, and only that, takes a TTL: {self.to}")

    def of(self, job_id: str) -> Command[Moved]:
        options = {option.name: getattr(self, option.name) for option in fields(self) if option.name != "only_from"}
        options |= {
            "from": sorted((sources(self.to) if self.only_from is None else self.only_from) - self.flag_from),
            "flag_from": sorted(self.flag_from),
            "set": {name: encode_field(value) for name, value in self.set.items()},
            "stage": counters.stage(self.stage) if self.stage else None,
            "max_events": MAX_EVENTS,
        }
        return Command(
            "move",
            (
                *(keys.job(job_id), keys.QUEUED, keys.LEASES, keys.DEADLINES, keys.EVENTS, pixels_prefix(job_id)),
                *(keys.FORGET, keys.OWN_QUEUED, keys.COUNTERS, keys.WEBHOOKS),
            ),
            (job_id, json.dumps(_said(options))),
            moved_of,
        )


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
            *(keys.job(job.id), keys.QUEUED, keys.DEADLINES, keys.EVENTS),
            *(keys.idempotency(job.owner, idempotency_key), keys.OWNED, keys.FORGET, keys.OWN_QUEUED),
        ),
        (
            job.id,
            json.dumps(job.to_record()),
            fingerprint if idempotency_key else "",
            IDEMPOTENCY_TTL_SECONDS,
            max_queue,
            encode_field(deadline_seconds),
            MAX_EVENTS,
            job.owner,
            keys.QUEUE_OFFSETS[job.priority],
            max_own,
            max_own_high,
        ),
        created_of,
    )


def claim(job_id: str, *, worker: str, delivery: str) -> Command[Moved]:
    """Queued -> running, as the next attempt. `delivery` names this delivery of the message."""
    return Move(
        to=JobStatus.RUNNING,
        claim=delivery,
        max_attempts=MAX_ATTEMPTS,
        set={"worker": worker, "step": 0, "drawn_at": 0},
        stamp="started_at",
        lease_ms=LEASE_MS,
        stage="queued",
    ).of(job_id)


def renew(job_id: str, attempt: int, *, step: int = 0, steps: int | None = None) -> Command[Hold]:
    """Running and finishing alike; without `steps` the progress stays as it is."""
    return Command(
        "renew",
        (keys.job(job_id), keys.LEASES),
        (job_id, attempt, LEASE_MS, step, "" if steps is None else steps),
        lambda reply: Hold(reply.decode()),
    )


def finish(  # noqa: PLR0913 - what is known of the drawing
    job_id: str, attempt: int, *, width: int, height: int, model: str, steps: int = 0
) -> Command[Moved]:
    """Running -> finishing: the raw pixels of this attempt are stored."""
    return Move(
        to=JobStatus.FINISHING,
        attempt=attempt,
        set={"width": width, "height": height, "model": model, "step": steps, "steps": steps},
        stamp="drawn_at",
        lease_ms=LEASE_MS,
        stage="denoise",
        count={counters.STEPS: steps},
    ).of(job_id)


def refinish(job_id: str, attempt: int, tries: int, *, reason: str = "", unless_leased: bool = False) -> Command[Moved]:
    """Finishing stays finishing: the message goes out once more, under a new lease."""
    return Move(
        to=JobStatus.FINISHING,
        attempt=attempt,
        only_from={JobStatus.FINISHING},
        set={"finish_tries": tries},
        lease_ms=LEASE_MS,
        unless_leased=unless_leased,
        again=True,
        count=_recovery(reason, JobStatus.FINISHING),
    ).of(job_id)


def succeed(job_id: str, attempt: int, *, images_ttl_seconds: int, ttl_seconds: int) -> Command[Moved]:
    """Finishing -> succeeded: the images of this attempt are stored, for `images_ttl_seconds`."""
    return Move(
        to=JobStatus.SUCCEEDED,
        attempt=attempt,
        stamp="finished_at",
        stamp_later={"images_expire_at": images_ttl_seconds * 1000},
        ttl_s=ttl_seconds,
        stage="finish",
        count={counters.ended(JobStatus.SUCCEEDED): 1},
    ).of(job_id)


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
    return Move(
        to=JobStatus.FAILED,
        attempt=attempt,
        set={"error_code": code, "error_message": message},
        stamp="finished_at",
        ttl_s=ttl_seconds,
        unless_leased=unless_leased,
        count={counters.ended(JobStatus.FAILED, code): 1} | _recovery(reason, JobStatus.FAILED),
    ).of(job_id)


def cancel(job_id: str, *, ttl_seconds: int, attempt: int | None = None, unless_leased: bool = False) -> Command[Moved]:
    """Ends the job, whoever holds it. Its worker calls this; a caller asks with `request_cancel`."""
    return Move(
        to=JobStatus.CANCELED,
        attempt=attempt,
        stamp="finished_at",
        ttl_s=ttl_seconds,
        unless_leased=unless_leased,
        count={counters.ended(JobStatus.CANCELED): 1},
    ).of(job_id)


def request_cancel(job_id: str, *, ttl_seconds: int, owner: str | None = None) -> Command[Moved]:
    """queued, finishing -> canceled at once; running is flagged and canceled by its worker within a step.

    `owner`: the caller; another owner's job is `MISSING`.
    """
    return Move(
        to=JobStatus.CANCELED,
        owner=owner,
        flag_from={JobStatus.RUNNING},
        stamp="finished_at",
        ttl_s=ttl_seconds,
        count={counters.ended(JobStatus.CANCELED): 1},
    ).of(job_id)


def expire(job_id: str, *, ttl_seconds: int, attempt: int | None = None) -> Command[Moved]:
    return Move(
        to=JobStatus.EXPIRED,
        attempt=attempt,
        stamp="finished_at",
        ttl_s=ttl_seconds,
        count={counters.ended(JobStatus.EXPIRED): 1},
    ).of(job_id)


def requeue(job_id: str, attempt: int, *, reason: str = "", unless_leased: bool = False) -> Command[Moved]:
    """running, finishing -> queued: its worker is gone, or its pixels are.

    Here and in the other moves of a recovery, `unless_leased` leaves the job to a holder whose lease has not run out.
    """
    return Move(
        to=JobStatus.QUEUED,
        attempt=attempt,
        set={"worker": "", "step": 0, "finish_tries": 0},
        unless_leased=unless_leased,
        count=_recovery(reason, JobStatus.QUEUED),
    ).of(job_id)


def _said(options: dict[str, Any]) -> dict[str, Any]:
    """Without what is unset. An empty owner and an attempt of 0 say something."""
    return {name: value for name, value in options.items() if value not in (None, {}, []) and value is not False}


def _recovery(reason: str, to: JobStatus) -> dict[str, int]:
    return {counters.recovered(reason, to): 1} if reason else {}
