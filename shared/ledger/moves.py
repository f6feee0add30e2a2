"""The moves of the job ledger: the only code that writes a job's status.

Each function names an intent of the API, a worker or the sweeper and returns a `Command` (run.py): one atomic script,
which is safe to run again after a lost reply.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from shared.jobs import Failure, JobStatus, encode_field, is_terminal, sources
from shared.ledger import calls, counters, keys, room, webhooks
from shared.ledger.replies import Created, Hold, Moved, created_of, moved_of
from shared.ledger.run import Command
from shared.results.places import input_image, input_prefix, pixels_prefix
from shared.results.store import INPUT_TTL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from shared.jobs import Job, JobFile, JobWarning

MAX_EVENTS = 10_000
IDEMPOTENCY_TTL_SECONDS = 24 * 3600
# At most, for the record of a job canceled or expired before its claim: clients make these faster than drawn ones.
UNCLAIMED_TTL_SECONDS = 3600
LEASE_SECONDS = 10.0
LEASE_MS = round(LEASE_SECONDS * 1000)
MAX_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One atomic compare-and-set (lua/move.lua). The fields are the script's options; unset ones are not sent.

    :raises ValueError: `to` is terminal and `ttl_s` is missing, or the other way round.
    """

    to: JobStatus
    only_from: AbstractSet[JobStatus] | None = None  # the states it may start from; None: all that TRANSITIONS allows
    flag_from: AbstractSet[JobStatus] = frozenset()  # states in which cancel_requested is set instead
    attempt: int | None = None  # the expected fencing token; None: any
    owner: str | None = None  # the expected owner; None: any
    claim: str | None = None  # the delivery that claims the job
    max_attempts: int | None = None
    set: dict[str, Any] = field(default_factory=dict)
    stamp: str | None = None  # the field set to the time of the move
    stamp_later: dict[str, int] = field(default_factory=dict)  # fields set to the time of the move plus so many ms
    lease_ms: int | None = None
    ttl_s: int | None = None  # the record expires after this time
    unclaimed_ttl_s: int | None = None  # the record of a job that no worker has claimed expires after this time
    unless_leased: bool = False  # refused while a lease is valid
    abandoned: bool = False  # refused unless the job's call was cut and none has joined it in time (calls.py)
    forget: bool = False  # the record goes as the job ends
    again: bool = False  # allowed from a state to itself, for a new lease
    lost: bool = False  # the drawing ends without a result, and not by its owner: it costs the owner nothing
    stage: str | None = None  # the stage that ends with the move (counters.py)
    count: dict[str, int] = field(default_factory=dict)  # what to add to the counters, by field
    messages: str = ""  # the list in Redis that `message` is pushed to
    message: str | None = None  # for a worker, unless the job is to be canceled

    def __post_init__(self) -> None:
        if (self.ttl_s is not None) != is_terminal(self.to):
            raise ValueError(f"a move takes a TTL if and only if it enters a terminal state: {self.to}")

    def of(self, job_id: str) -> Command[Moved]:
        """An empty `job_id` is the job whose turn it is, for a claim."""
        beside = ("only_from", "messages")
        options = {option.name: getattr(self, option.name) for option in fields(self) if option.name not in beside}
        options |= {
            "from": sorted((sources(self.to) if self.only_from is None else self.only_from) - self.flag_from),
            "flag_from": sorted(self.flag_from),
            "set": {name: encode_field(value) for name, value in self.set.items()},
            "stage": counters.stage(self.stage) if self.stage else None,
            "max_events": MAX_EVENTS,
            "webhook_ttl_s": webhooks.KEPT_SECONDS if self.ttl_s is not None else None,
        }
        return Command(
            "move",
            (
                *(keys.job(job_id), keys.QUEUED, keys.LEASES, keys.DEADLINES, keys.EVENTS, pixels_prefix(job_id)),
                *(keys.FORGET, keys.OWN_QUEUED, keys.COUNTERS, keys.WEBHOOKS, keys.RESERVED, keys.IMAGES, keys.HELD),
                *(keys.CALLS, keys.OWNED, *keys.IN_TURN, keys.USAGE, keys.PENDING, keys.USERS, keys.FORGOTTEN),
                *(input_prefix(), self.messages, keys.INPUTS),
            ),
            (job_id, json.dumps(_without_unset(options))),
            moved_of,
        )


def create(  # noqa: PLR0913 - each is a condition of a submit
    job: Job,
    *,
    fingerprint: str = "",
    idempotency_key: str = "",
    max_queue: int,
    max_own: int = 0,
    max_own_high: int = 0,
    max_created_per_minute: int = 0,
    deadline_seconds: float = 0,
    call: calls.Call | None = None,
    weight: float = 1,
    quota_images: int | None = None,
    quota_ms: int | None = None,
    images_in_redis: bool = True,
    max_input_bytes: int = 0,
    message: tuple[str, str] = ("", ""),
) -> Command[Created]:
    """Creates a queued job, and pushes `message` (a list in Redis, a text) with it, by which a worker learns of it.
    `max_own` bounds the owner's queued jobs, `max_own_high` those of high priority, and `max_created_per_minute` what
    the owner creates, also if it ends at once; 0: no bound but `max_queue`.
    `weight` is the owner's share of the cards against those of others (lua/turns.part.lua),
    a quota bounds what it uses in a month of UTC.
    A held `call` joins the job of an equal one that was cut, if there is one. `images_in_redis`: room for them is
    needed there. `max_input_bytes` bounds the images that jobs start from which have not ended, of which an owner has
    half; 0: no bound.
    """
    return Command(
        "create",
        (
            *(keys.job(job.id), keys.QUEUED, keys.DEADLINES, keys.EVENTS),
            *(keys.idempotency(job.owner, idempotency_key), keys.OWNED, keys.FORGET, keys.OWN_QUEUED),
            *(keys.RESERVED, keys.OWN_CREATED, keys.CALLS, call.twins if call else keys.twins("", ""), keys.COUNTERS),
            *(*keys.IN_TURN, keys.USAGE, keys.PENDING),
            message[0],
            input_image(job.id).key,
            keys.INPUTS,
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
            room.pixels_bytes(job),
            room.images_bytes(job) if images_in_redis else 0,
            max_created_per_minute,
            *((call.id, call.rejoin_ms) if call else ("", 0)),
            calls.LEASE_MS,
            (call.rejoin_ms if call else 0) + calls.LONGEST_MS,
            counters.REJOINED,
            f"{weight:g}",
            *("" if quota is None else quota for quota in (quota_images, quota_ms)),
            message[1],
            INPUT_TTL_SECONDS if job.has_image else 0,
            max_input_bytes,
        ),
        created_of,
    )


def claim_next(*, worker: str, delivery: str) -> Command[Moved]:
    """QUEUED -> RUNNING of the job whose turn it is: in the highest priority, the oldest of the owner that has had
    least of the cards lately; `EMPTY` without one.

    `delivery` identifies this delivery of a message: repeated after a lost reply, it finds the job that it has claimed.
    A worker draws one job at a time.
    """
    return claim("", worker=worker, delivery=delivery)


def claim(job_id: str, *, worker: str, delivery: str) -> Command[Moved]:
    """QUEUED -> RUNNING of this job, as its next attempt, if there is room for its result (room.py). Workers call
    `claim_next`.
    """
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
    """Renews the lease of a running or finishing job; without `steps` its progress is unchanged."""
    return Command(
        "renew",
        (keys.job(job_id), keys.LEASES),
        (job_id, attempt, LEASE_MS, step, "" if steps is None else steps),
        lambda reply: Hold(reply.decode()),
    )


def shorten_leases() -> Command[int]:
    """Ends no lease later than one that is renewed now."""
    return Command("shorten", (keys.LEASES,), (LEASE_MS,), int)


def finish(  # noqa: PLR0913 - each describes the drawing
    job_id: str,
    attempt: int,
    *,
    width: int,
    height: int,
    model: str,
    steps: int = 0,
    prompt_characters: int | None = None,
    warnings: tuple[JobWarning, ...] | None = None,
    message: tuple[str, str] = ("", ""),
) -> Command[Moved]:
    """RUNNING -> FINISHING: the raw pixels of this attempt are stored. `message` (a list in Redis, a text) is pushed
    with it, by which a finisher learns of them, unless the job is to be canceled.

    :param prompt_characters: that the model took of the prompt and what was appended to it; None: all.
    :param warnings: of the drawing, in place of those of an earlier attempt; None: there can be none.
    """
    drawn = {"width": width, "height": height, "model": model, "step": steps, "steps": steps}
    return Move(
        to=JobStatus.FINISHING,
        attempt=attempt,
        set=drawn
        | {"prompt_characters": prompt_characters or 0}
        | ({} if warnings is None else {"warnings": warnings}),
        stamp="drawn_at",
        lease_ms=LEASE_MS,
        stage="denoise",
        count={counters.STEPS: steps} | ({} if prompt_characters is None else {counters.PROMPTS_CUT: 1}),
        messages=message[0],
        message=message[1] or None,
    ).of(job_id)


def refinish(job_id: str, attempt: int, tries: int, *, reason: str = "", unless_leased: bool = False) -> Command[Moved]:
    """FINISHING -> FINISHING, with a new lease: the finish message is sent once more."""
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


def succeed(  # noqa: PLR0913 - each describes the result
    job_id: str,
    attempt: int,
    *,
    images_ttl_seconds: int,
    ttl_seconds: int,
    pixels: int = 0,
    files: tuple[JobFile, ...] = (),
    warnings: tuple[JobWarning, ...] = (),
    palette: tuple[str, ...] = (),
    colors_share: float | None = None,
) -> Command[Moved]:
    """FINISHING -> SUCCEEDED: the images and files of this attempt, of so many pixels, are stored for
    `images_ttl_seconds`.
    """
    result = {"files": files, "warnings": warnings, "palette": palette}
    return Move(
        to=JobStatus.SUCCEEDED,
        attempt=attempt,
        set={name: value for name, value in result.items() if value}
        | ({} if colors_share is None else {"colors_share": colors_share}),
        stamp="finished_at",
        stamp_later={"images_expire_at": images_ttl_seconds * 1000},
        ttl_s=ttl_seconds,
        stage="finish",
        count={counters.ended(JobStatus.SUCCEEDED): 1, counters.PIXELS: pixels}
        | dict(Counter(counters.reduced(warning.code) for warning in warnings)),
    ).of(job_id)


def give_up_images(job_id: str) -> Command[bool]:
    """Records that the images of a succeeded job were dropped before their time; its status stays."""
    return Command("give_up", (keys.job(job_id), keys.IMAGES, keys.COUNTERS), (job_id, counters.IMAGES_GIVEN_UP), bool)


def fail(  # noqa: PLR0913 - each describes the failure
    job_id: str,
    *,
    code: Failure,
    message: str,
    ttl_seconds: int,
    attempt: int | None = None,
    reason: str = "",
    unless_leased: bool = False,
) -> Command[Moved]:
    """Any state but a terminal one -> FAILED. `reason`: why the job's holder was lost; empty if it was not."""
    return Move(
        to=JobStatus.FAILED,
        attempt=attempt,
        set={"error_code": code, "error_message": message},
        stamp="finished_at",
        ttl_s=ttl_seconds,
        unless_leased=unless_leased,
        lost=bool(reason),
        count={counters.ended(JobStatus.FAILED, code): 1} | _recovery(reason, JobStatus.FAILED),
    ).of(job_id)


def cancel(job_id: str, *, ttl_seconds: int, attempt: int | None = None, unless_leased: bool = False) -> Command[Moved]:
    """Any state but a terminal one -> CANCELED. Workers and the sweeper call this; the API calls `request_cancel`."""
    return Move(
        to=JobStatus.CANCELED,
        attempt=attempt,
        stamp="finished_at",
        ttl_s=ttl_seconds,
        unclaimed_ttl_s=UNCLAIMED_TTL_SECONDS,
        unless_leased=unless_leased,
        count={counters.ended(JobStatus.CANCELED): 1},
    ).of(job_id)


def request_cancel(
    job_id: str, *, ttl_seconds: int, owner: str | None = None, abandoned: bool = False, forget: bool = False
) -> Command[Moved]:
    """QUEUED, FINISHING -> CANCELED; a running job is flagged, and its worker cancels it within two steps.

    With `owner`, the job of another owner is `MISSING`; with `abandoned`, one that a call holds or may join is refused.
    With `forget`, the record goes as the job ends; that of a job which has ended before stays (forgetting.py).
    """
    return Move(
        to=JobStatus.CANCELED,
        owner=owner,
        abandoned=abandoned,
        forget=forget,
        flag_from={JobStatus.RUNNING},
        stamp="finished_at",
        ttl_s=ttl_seconds,
        unclaimed_ttl_s=UNCLAIMED_TTL_SECONDS,
        count={counters.ended(JobStatus.CANCELED): 1},
    ).of(job_id)


def expire(job_id: str, *, ttl_seconds: int, attempt: int | None = None) -> Command[Moved]:
    return Move(
        to=JobStatus.EXPIRED,
        attempt=attempt,
        stamp="finished_at",
        ttl_s=ttl_seconds,
        unclaimed_ttl_s=UNCLAIMED_TTL_SECONDS,
        count={counters.ended(JobStatus.EXPIRED): 1},
    ).of(job_id)


def requeue(job_id: str, attempt: int, *, reason: str = "", unless_leased: bool = False) -> Command[Moved]:
    """RUNNING, FINISHING -> QUEUED: the job's worker or its pixels are lost.

    In all moves of a recovery, `unless_leased` leaves the job to a holder that has renewed its lease meanwhile.
    """
    return Move(
        to=JobStatus.QUEUED,
        attempt=attempt,
        set={"worker": "", "step": 0, "finish_tries": 0, "denoise_ms": 0},
        unless_leased=unless_leased,
        lost=True,
        count=_recovery(reason, JobStatus.QUEUED),
    ).of(job_id)


def _without_unset(options: dict[str, Any]) -> dict[str, Any]:
    """The options that are set; an empty owner and an attempt of 0 are."""
    return {name: value for name, value in options.items() if value not in (None, {}, []) and value is not False}


def _recovery(reason: str, to: JobStatus) -> dict[str, int]:
    return {counters.recovered(reason, to): 1} if reason else {}
