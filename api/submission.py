"""Submits jobs: creates the record, then sends the message to the workers.

Once the record exists the answer is 202: the sweeper publishes a job whose message was not sent.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import secrets
import uuid
from dataclasses import asdict
from typing import TYPE_CHECKING

import structlog
from asgi_correlation_id import correlation_id
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from api.forecast import retry_after
from shared import errors
from shared.connection import is_busy
from shared.jobs import Job, JobStatus
from shared.ledger import moves
from shared.ledger.replies import Creation
from shared.observability import tracing
from shared.observability.logging import get_logger
from shared.queue import send_generate
from shared.results import places
from shared.schemas import JobRequest
from shared.strength import DEFAULT_STRENGTH

if TYPE_CHECKING:
    from celery import Celery

    from api.forecasting import Forecasts
    from shared.ledger.calls import Call
    from shared.ledger.replies import Created, Reading
    from shared.ledger.run import AsyncLedger, Command
    from shared.results.store import ResultReader

log = get_logger(__name__)
# Images expire or are given up within seconds; how soon there is enough room is not known.
ROOM_RETRY_SECONDS = 10
# Errors of the connection, after which the command may have run. A server that answers with an error did not run it.
_UNANSWERED = (RedisConnectionError, RedisTimeoutError, OSError)


class Submission:
    def __init__(  # noqa: PLR0913 - each bound is a setting
        self,
        ledger: AsyncLedger,
        celery: Celery,
        forecasts: Forecasts,
        results: ResultReader,
        *,
        max_queue_length: int,
        max_queued_per_key: int,
        max_queued_high_per_key: int,
        max_created_per_key_per_minute: int,
    ) -> None:
        self._ledger = ledger
        self._celery = celery
        self._forecasts = forecasts
        self._results = results
        self._max_queue_length = max_queue_length
        self._max_queued_per_key = max_queued_per_key
        self._max_queued_high_per_key = max_queued_high_per_key
        self._max_created_per_key_per_minute = max_created_per_key_per_minute

    async def submit(  # noqa: C901, PLR0913 - a case for each outcome, and what a job may have
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

        :raises errors.IdempotencyConflict: the idempotency key was used for another body.
        :raises errors.QueueFull: the queue is at its bound.
        :raises errors.NoRoom: Redis has too little memory left for the result.
        :raises errors.TooManyQueued: the owner's queued jobs are at their bound.
        :raises errors.TooManyHigh: the owner's queued jobs of high priority are at their bound.
        :raises errors.TooManyRequests: the owner has created as many jobs in this minute as it may.
        :raises errors.ServiceUnavailable: Redis did not answer, so the record may or may not exist.
        """
        job = _new_job(request, owner, call.id if call else str(uuid.uuid4()), webhook_shape)
        structlog.contextvars.bind_contextvars(job_id=job.id)
        command = moves.create(
            job,
            fingerprint=_fingerprint(request),
            idempotency_key=idempotency_key,
            max_queue=self._max_queue_length,
            # Without keys there is one owner, for whom the bound of the queue is enough.
            max_own=self._max_queued_per_key if owner else 0,
            max_own_high=self._max_queued_high_per_key if owner else 0,
            max_created_per_minute=self._max_created_per_key_per_minute if owner else 0,
            deadline_seconds=request.deadline_seconds or 0,
            call=call,
        )
        if image is not None:
            # Whatever fails here, no job was created: the image expires, and its pieces with it.
            await self._results.put_input(job.id, image)
        created = await self._create(command, idempotency_key)
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
            case Creation.IMAGE_GONE:
                raise errors.ServiceUnavailable(
                    "the image took too long to be stored; try again", retry_after_seconds=2
                )
            case Creation.OWNER_FULL:
                raise errors.TooManyQueued(
                    f"{created.depth} jobs of this key are queued, the bound is {self._max_queued_per_key}",
                    retry_after_seconds=retry_after((await self._forecasts.current()).place_free_seconds(owner)),
                )
            case Creation.OWNER_HIGH_FULL:
                raise errors.TooManyHigh(
                    f"{created.depth} jobs of high priority of this key are queued, "
                    f"the bound is {self._max_queued_high_per_key}",
                    retry_after_seconds=retry_after((await self._forecasts.current()).place_free_seconds(owner)),
                )
            case Creation.OWNER_TOO_OFTEN:
                raise errors.TooManyRequests(
                    f"{created.depth} jobs of this key were created within a minute, "
                    f"the bound is {self._max_created_per_key_per_minute}",
                    retry_after_seconds=max(1, math.ceil(created.again_seconds)),
                )
        assert created.reading is not None  # noqa: S101 - a created or replayed job has a record
        if created.outcome is Creation.REPLAYED:
            structlog.contextvars.bind_contextvars(job_id=created.reading.job.id)
            log.info("job.replayed")
            return created.reading, True
        if created.outcome is Creation.REJOINED:
            structlog.contextvars.bind_contextvars(job_id=created.reading.job.id)
            log.info("job.rejoined", status=created.reading.job.status)
            return created.reading, False
        log.info("job.created", sizes=[str(size) for size in job.canvases], seed=job.seed)
        await self._publish(job)
        return created.reading, False

    async def _create(self, command: Command[Created], idempotency_key: str) -> Created:
        """:raises errors.ServiceUnavailable: Redis did not answer."""
        try:
            return await self._ledger.run(command)
        except _UNANSWERED as error:
            log.warning("redis.unavailable", error=repr(error))
            if is_busy(error):
                raise errors.ServiceUnavailable(
                    "the job store is busy, no job was created; try again", retry_after_seconds=2
                ) from error
            raise errors.ServiceUnavailable(
                "it is not known whether the job was created; submit again with the same Idempotency-Key",
                details={"created": "unknown", "idempotency_key": idempotency_key or None},
                retry_after_seconds=2,
            ) from error

    async def _publish(self, job: Job) -> None:
        try:
            with tracing.span("job.publish", job_id=job.id):
                await asyncio.to_thread(send_generate, self._celery, job.id, job.request_id, job.priority)
        except Exception as error:  # noqa: BLE001 - after any error the sweeper publishes the job
            log.warning("job.publish_failed", error=repr(error))


def _fingerprint(request: JobRequest) -> str:
    # Omit newer fields at their defaults, so that a retry sent before an upgrade still matches.
    newer = ["priority", "num_images", "webhook_url", "formats", "quality", "transparent", "holes", "icons"]
    newer += ["width", "height", "aspect", "image", "image_number", "strength"]
    at_default = {name for name in newer if getattr(request, name) == JobRequest.model_fields[name].default}
    return hashlib.sha256(request.model_dump_json(exclude=at_default).encode()).hexdigest()


def _new_job(request: JobRequest, owner: str, job_id: str, webhook_shape: str) -> Job:
    return Job(
        id=job_id,
        status=JobStatus.QUEUED,
        prompt=request.prompt,
        priority=request.priority,
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
        **asdict(request.outputs),
        webhook_shape=webhook_shape,
        request_id=correlation_id.get() or "",
        traceparent=tracing.current(),
    )
