"""Submits jobs: one script on Redis creates the record and pushes the message to the workers."""

from __future__ import annotations

import contextlib
import hashlib
import math
import secrets
import uuid
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import structlog
from asgi_correlation_id import correlation_id
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from api import quota
from api.errors import of_late_loop
from api.forecast import retry_after
from shared import errors
from shared.connection import UNAVAILABLE, is_busy
from shared.jobs import Job, JobStatus, Priority
from shared.ledger import counters, keys, moves
from shared.ledger.replies import Creation
from shared.observability import tracing
from shared.observability.logging import get_logger
from shared.outputs import Outputs
from shared.queue import generate_message
from shared.results import places
from shared.schemas import JobRequest
from shared.strength import DEFAULT_STRENGTH

if TYPE_CHECKING:
    from celery import Celery

    from api.forecasting import Forecasts
    from api.loop_lag import LoopLag
    from shared.ledger.calls import Call
    from shared.ledger.replies import Reading
    from shared.ledger.run import AsyncLedger
    from shared.prompt_filter import PromptFilter
    from shared.results.store import ResultReader
    from shared.styles.known import Styles
    from shared.styles.table import Style
    from shared.tenants import Tenant, Tenants

log = get_logger(__name__)
# Images expire or are given up within seconds; how soon there is enough room is not known.
ROOM_RETRY_SECONDS = 10
# Errors of the connection, after which the command may have run. A server that answers with an error did not run it.
_UNANSWERED = (RedisConnectionError, RedisTimeoutError, OSError)
_UNKNOWN = "it is not known whether the job was created; submit again with the same Idempotency-Key"


class Submission:
    def __init__(  # noqa: PLR0913 - each bound is a setting
        self,
        ledger: AsyncLedger,
        celery: Celery,
        forecasts: Forecasts,
        results: ResultReader,
        styles: Styles,
        tenants: Tenants,
        lag: LoopLag,
        *,
        max_queue_length: int,
        max_queued_per_key: int,
        max_queued_high_per_key: int,
        max_created_per_key_per_minute: int,
        max_input_bytes: int,
        images_in_redis: bool = True,
        prompt_filter: PromptFilter | None = None,
    ) -> None:
        self._ledger = ledger
        self._celery = celery
        # The first message imports what Celery makes messages with, for which the first submit should not wait.
        generate_message(celery, "", "", Priority.NORMAL)
        self._forecasts = forecasts
        self._results = results
        self._styles = styles
        self._tenants = tenants
        self._lag = lag
        self._max_queue_length = max_queue_length
        self._max_queued_per_key = max_queued_per_key
        self._max_queued_high_per_key = max_queued_high_per_key
        self._max_created_per_key_per_minute = max_created_per_key_per_minute
        self._max_input_bytes = max_input_bytes
        self._images_in_redis = images_in_redis
        self._prompt_filter = prompt_filter

    async def submit(  # noqa: C901, PLR0912, PLR0913 - a case for each outcome, and what a job may have
        self,
        request: JobRequest,
        owner: str,
        idempotency_key: str = "",
        call: Call | None = None,
        webhook_shape: str = "",
        image: bytes | None = None,
    ) -> tuple[Reading, bool]:
        """The job as the ledger returned it, and whether an earlier submit with the same idempotency key created it.
        A held `call` may join the job of an equal one that was cut.

        :param image: what the job starts from, an RGB PNG.
        :param webhook_shape: of the webhook's body: the job, or `shared.predictions.SHAPE`.

        :raises errors.InvalidRequest: no style has the request's name, or the key may not use this priority.
        :raises errors.ContentFiltered: SAFETY refuses the prompt.
        :raises errors.IdempotencyConflict: the idempotency key was used for another body.
        :raises errors.QueueFull: the queue is at its bound.
        :raises errors.NoRoom: Redis has too little memory left for the result.
        :raises errors.TooManyQueued: the owner's queued jobs are at their bound.
        :raises errors.TooManyHigh: the owner's queued jobs of high priority are at their bound.
        :raises errors.QuotaExceeded: the owner has used up its quota of this month.
        :raises errors.TooManyRequests: the owner has created as many jobs in this minute as it may.
        :raises errors.ServiceUnavailable: Redis did not answer, so the record may or may not exist.
        :raises errors.Overloaded: this process was too late for the answer; likewise.
        """
        await self._refuse_filtered(request)
        tenant, style = self._tenants.of(owner), self._style(request.style)
        job = _new_job(request, owner, call.id if call else str(uuid.uuid4()), webhook_shape, tenant, style)
        structlog.contextvars.bind_contextvars(job_id=job.id)
        max_own = (tenant and tenant.max_queued) or self._max_queued_per_key
        max_own_high = (tenant and tenant.max_queued_high) or self._max_queued_high_per_key
        command = moves.create(
            job,
            fingerprint=_fingerprint(request) if idempotency_key else "",
            idempotency_key=idempotency_key,
            max_queue=self._max_queue_length,
            # Without keys there is one owner, for whom the bound of the queue is enough.
            max_own=max_own if owner else 0,
            max_own_high=max_own_high if owner else 0,
            max_created_per_minute=self._max_created_per_key_per_minute if owner else 0,
            deadline_seconds=request.deadline_seconds or 0,
            call=call,
            images_in_redis=self._images_in_redis,
            max_input_bytes=self._max_input_bytes,
            weight=tenant.weight if tenant else 1,
            message=generate_message(self._celery, job.id, job.request_id, job.priority),
            **quota.asked_of(tenant),
        )
        if image is not None:
            # Whatever fails here, no job was created: the image expires, and its pieces with it.
            await self._results.put_input(job.id, image)
        try:
            with tracing.span("job.publish", job_id=job.id):
                created = await self._ledger.run(command)
        except _UNANSWERED as error:
            raise self._unanswered(error, idempotency_key) from error
        if image is not None and created.outcome is not Creation.CREATED:
            await self._results.drop(places.input_image(job.id))
        match created.outcome:
            case Creation.CONFLICT:
                raise errors.IdempotencyConflict("Idempotency-Key: this key was used for a request with another body")
            case Creation.FULL:
                raise errors.QueueFull(
                    f"{created.depth} jobs are queued, the bound is {self._max_queue_length}",
                    retry_after_seconds=retry_after((await self._forecasts.current()).place_free_seconds()),
                )
            case Creation.NO_ROOM:
                raise errors.NoRoom(
                    f"there is no room for the result, which may take {created.depth} bytes; try again later",
                    retry_after_seconds=ROOM_RETRY_SECONDS,
                )
            case Creation.INPUTS_FULL:
                raise errors.NoRoom(
                    f"image: those of jobs that have not ended take {created.depth} bytes, "
                    f"the bound is {self._max_input_bytes}; try again later",
                    retry_after_seconds=ROOM_RETRY_SECONDS,
                )
            case Creation.OWNER_INPUTS_FULL:
                raise errors.TooManyQueued(
                    f"image: those of this key's jobs that have not ended take {created.depth} bytes, "
                    f"the bound is {self._max_input_bytes // 2}",
                    retry_after_seconds=retry_after((await self._forecasts.current()).place_free_seconds(owner)),
                )
            case Creation.IMAGE_GONE:
                raise errors.ServiceUnavailable(
                    "the image took too long to be stored; try again", retry_after_seconds=2
                )
            case Creation.OWNER_FULL:
                raise errors.TooManyQueued(
                    f"{created.depth} jobs of this key are queued, the bound is {max_own}",
                    retry_after_seconds=retry_after((await self._forecasts.current()).place_free_seconds(owner)),
                )
            case Creation.OWNER_HIGH_FULL:
                raise errors.TooManyHigh(
                    f"{created.depth} jobs of high priority of this key are queued, the bound is {max_own_high}",
                    retry_after_seconds=retry_after((await self._forecasts.current()).place_free_seconds(owner)),
                )
            case Creation.OWNER_QUOTA:
                assert tenant is not None  # noqa: S101 - only an entry has a quota
                raise quota.exceeded(tenant, created.quota_left or 0, created.again_seconds)
            case Creation.OWNER_TOO_OFTEN:
                raise errors.TooManyRequests(
                    f"{created.depth} jobs of this key were created within a minute, "
                    f"the bound is {self._max_created_per_key_per_minute}",
                    retry_after_seconds=max(1, math.ceil(created.again_seconds)),
                )
        assert created.reading is not None  # noqa: S101 - a created or replayed job has a record
        reading = replace(created.reading, quota_remaining=quota.remaining(tenant, created.quota_left))
        if created.outcome is Creation.REPLAYED:
            structlog.contextvars.bind_contextvars(job_id=reading.job.id)
            log.info("job.replayed")
            return reading, True
        if created.outcome is Creation.REJOINED:
            structlog.contextvars.bind_contextvars(job_id=reading.job.id)
            log.info("job.rejoined", status=reading.job.status)
            return reading, False
        log.info("job.created", sizes=[str(size) for size in job.canvases], seed=job.seed)
        return reading, False

    def _style(self, name: str | None) -> Style | None:
        style = self._styles.find(name) if name else None
        if name and style is None:
            message = f"style: {name!r} is none of {', '.join(self._styles.names)}"
            raise errors.InvalidRequest(message, details={"field": "style"})
        return style

    def _unanswered(self, error: Exception, idempotency_key: str) -> errors.LogoError:
        """What a caller is told where Redis' answer to the creation did not come, or came too late for this process."""
        unsent = is_busy(error)
        details = None if unsent else {"created": "unknown", "idempotency_key": idempotency_key or None}
        then = "no job was created; try again" if unsent else _UNKNOWN
        if late := of_late_loop(error, self._lag, then, details):
            return late
        log.warning("redis.unavailable", error=repr(error))
        message = f"the job store is busy, {then}" if unsent else then
        return errors.ServiceUnavailable(message, details=details, retry_after_seconds=2)

    async def requeue(self, failed: Job) -> Reading:
        """Queues what a failed job asked for as a new job of its owner: a job that has ended stays as it is. The same
        new job for each call.

        :raises errors.QueueFull: the queue is at its bound.
        :raises errors.NoRoom: Redis has too little memory left for the result.
        """
        if failed.has_image:
            raise errors.JobNotSuccessful("the image that the job starts from is gone with it; its owner can submit it")
        job = again(failed)
        tenant = self._tenants.of(job.owner)
        command = moves.create(
            job,
            max_queue=self._max_queue_length,
            images_in_redis=self._images_in_redis,
            weight=tenant.weight if tenant else 1,
            message=generate_message(self._celery, job.id, job.request_id, job.priority),
        )
        created = await self._ledger.run(command)
        if created.outcome is Creation.NO_ROOM:
            raise errors.NoRoom("there is no room for the result", retry_after_seconds=ROOM_RETRY_SECONDS)
        if created.reading is None:
            raise errors.QueueFull(f"{created.depth} jobs are queued", retry_after_seconds=ROOM_RETRY_SECONDS)
        log.info("job.created", job_id=job.id, instead_of=failed.id, seed=job.seed)
        return created.reading

    async def _refuse_filtered(self, request: JobRequest) -> None:
        """What is asked for is in no log."""
        asked = (request.prompt, request.text or "")
        if self._prompt_filter is None or not any(map(self._prompt_filter.refuses, asked)):
            return
        log.info("prompt.refused")
        with contextlib.suppress(*UNAVAILABLE):  # only a metric needs it
            await self._ledger.client.hincrby(keys.COUNTERS, counters.PROMPTS_REFUSED, 1)
        raise errors.ContentFiltered("prompt: this server does not draw this")


def _fingerprint(request: JobRequest) -> str:
    # Omit newer fields at their defaults, so that a retry sent before an upgrade still matches.
    newer = ["priority", "num_images", "webhook_url", "formats", "quality", "transparent", "holes", "icons"]
    newer += ["width", "height", "aspect", "style", "text", "layout", "colors", "background_color"]
    newer += ["image", "image_number", "strength"]
    at_default = {name for name in newer if getattr(request, name) == JobRequest.model_fields[name].default}
    return hashlib.sha256(request.model_dump_json(exclude=at_default).encode()).hexdigest()


# What happened to a job, and not what it asked for.
_OF_ITS_WAY: tuple[str, ...] = (
    "version",
    "attempt",
    "finish_tries",
    "worker",
    "claim",
    "model",
    "step",
    "steps",
    "prompt_characters",
)
_OF_ITS_WAY += ("cancel_requested", "error_code", "error_message", "created_at", "started_at", "drawn_at")
_OF_ITS_WAY += (
    "finished_at",
    "deadline_at",
    "images_expire_at",
    "webhook_tries",
    "files",
    "warnings",
    "palette",
    "colors_share",
)


_OUTPUTS = tuple(field.name for field in fields(Outputs))


def again(failed: Job) -> Job:
    """A queued job that asks for the same, with an id that follows from the failed one's."""
    unset: dict[str, Any] = {field.name: field.default for field in fields(Job) if field.name in _OF_ITS_WAY}
    return replace(failed, id=str(uuid.uuid5(uuid.UUID(failed.id), "again")), status=JobStatus.QUEUED, **unset)


def _priority(request: JobRequest, tenant: Tenant | None) -> Priority:
    if tenant is None or request.priority in tenant.priorities:
        return request.priority
    if "priority" in request.model_fields_set:
        raise errors.InvalidRequest(f"priority: this key may use {', '.join(tenant.priorities)}")
    return next(found for found in (Priority.NORMAL, Priority.LOW, Priority.HIGH) if found in tenant.priorities)


def _new_job(  # noqa: PLR0913 - all that a job has from its caller
    request: JobRequest, owner: str, job_id: str, webhook_shape: str, tenant: Tenant | None, style: Style | None
) -> Job:
    outputs = request.outputs
    return Job(
        id=job_id,
        status=JobStatus.QUEUED,
        prompt=request.prompt,
        priority=_priority(request, tenant),
        sizes=tuple(canvas.longest for canvas in request.canvases),
        canvas=next((str(canvas) for canvas in request.canvases if not canvas.is_square), ""),
        seed=secrets.randbelow(2**32) if request.seed is None else request.seed,
        enhance=request.enhance,
        num_images=request.num_images,
        requested_steps=request.steps or 0,
        requested_guidance=-1.0 if request.guidance is None else request.guidance,
        strength=-1.0 if request.image is None else DEFAULT_STRENGTH if request.strength is None else request.strength,
        owner=owner,
        webhook_url=request.webhook_url or "",
        # The server's own wish, which counts for no bound of a request.
        **{name: getattr(outputs, name) for name in _OUTPUTS} | {"sheet": request.num_images > 1},
        style=style.name if style else "",
        style_template=style.template if style else "",
        style_lora=str(style.lora) if style and style.lora else "",
        text=request.text or "",
        layout=request.placed,
        webhook_shape=webhook_shape,
        result_ttl_seconds=(tenant and tenant.result_ttl_seconds) or 0,
        job_ttl_seconds=(tenant and tenant.job_ttl_seconds) or 0,
        request_id=correlation_id.get() or "",
        traceparent=tracing.current(),
    )
