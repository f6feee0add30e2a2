"""Submitting a job: the record first, then the message. A record that exists is a 202, whatever its message does."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import uuid
from typing import TYPE_CHECKING

import structlog
from asgi_correlation_id import correlation_id
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from api.forecast import retry_after
from shared import errors
from shared.jobs import Job, JobStatus
from shared.ledger import moves
from shared.ledger.replies import Creation
from shared.observability import tracing
from shared.observability.logging import get_logger
from shared.queue import send_generate
from shared.schemas import JobRequest

if TYPE_CHECKING:
    from celery import Celery

    from api.forecasting import Forecasts
    from shared.ledger.replies import Reading
    from shared.ledger.run import AsyncLedger

log = get_logger(__name__)
# Of the connection: the command may have been carried out. A server that answers with an error has not done so.
_UNANSWERED = (RedisConnectionError, RedisTimeoutError, OSError)


class Submission:
    def __init__(  # noqa: PLR0913 - the bounds are each a setting
        self,
        ledger: AsyncLedger,
        celery: Celery,
        forecasts: Forecasts,
        *,
        max_queue_length: int,
        max_queued_per_key: int,
        max_queued_high_per_key: int,
    ) -> None:
        self._ledger = ledger
        self._celery = celery
        self._forecasts = forecasts
        self._max_queue_length = max_queue_length
        self._max_queued_per_key = max_queued_per_key
        self._max_queued_high_per_key = max_queued_high_per_key

    async def submit(self, request: JobRequest, owner: str, idempotency_key: str = "") -> tuple[Reading, bool]:
        """The job as its creation answered it, and whether an earlier submit under the same key had made it.

        :raises errors.IdempotencyConflict: the key was used for another body.
        :raises errors.QueueFull: as many jobs are queued as may be.
        :raises errors.TooManyQueued: as many jobs of this owner are queued as may be.
        :raises errors.TooManyHigh: of high priority.
        :raises errors.ServiceUnavailable: it is not known whether the record was created.
        """
        job = _new_job(request, owner)
        structlog.contextvars.bind_contextvars(job_id=job.id)
        command = moves.create(
            job,
            fingerprint=_fingerprint(request),
            idempotency_key=idempotency_key,
            max_queue=self._max_queue_length,
            # Without keys there is one owner, whom the queue's own bound holds.
            max_own=self._max_queued_per_key if owner else 0,
            max_own_high=self._max_queued_high_per_key if owner else 0,
            deadline_seconds=request.deadline_seconds or 0,
        )
        try:
            created = await self._ledger.run(command)
        except _UNANSWERED as error:
            log.warning("redis.unavailable", error=repr(error))
            raise errors.ServiceUnavailable(
                "it is not known whether the job was created; submit again with the same Idempotency-Key",
                details={"created": "unknown", "idempotency_key": idempotency_key or None},
                retry_after_seconds=2,
            ) from error
        match created.outcome:
            case Creation.CONFLICT:
                raise errors.IdempotencyConflict("Idempotency-Key: this key was used for a request with another body")
            case Creation.FULL:
                raise errors.QueueFull(
                    f"{created.depth} jobs are queued, the bound is {self._max_queue_length}",
                    retry_after_seconds=retry_after((await self._forecasts.current()).place_free_seconds()),
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
        assert created.reading is not None  # noqa: S101 - of what is created or replayed there is a record
        if created.outcome is Creation.REPLAYED:
            structlog.contextvars.bind_contextvars(job_id=created.reading.job.id)
            log.info("job.replayed")
            return created.reading, True
        log.info("job.created", sizes=list(job.sizes), seed=job.seed)
        await self._publish(job)
        return created.reading, False

    async def _publish(self, job: Job) -> None:
        try:
            with tracing.span("job.publish", job_id=job.id):
                await asyncio.to_thread(send_generate, self._celery, job.id, job.request_id, job.priority)
        except Exception as error:  # noqa: BLE001 - whatever it was, the sweeper publishes what has no message
            log.warning("job.publish_failed", error=repr(error))


def _fingerprint(request: JobRequest) -> str:
    # Omit newer fields at their defaults, so that a retry sent before an upgrade still matches.
    newer = ("priority", "num_images", "webhook_url")
    at_default = {name for name in newer if getattr(request, name) == JobRequest.model_fields[name].default}
    return hashlib.sha256(request.model_dump_json(exclude=at_default).encode()).hexdigest()


def _new_job(request: JobRequest, owner: str) -> Job:
    return Job(
        id=str(uuid.uuid4()),
        status=JobStatus.QUEUED,
        prompt=request.prompt,
        priority=request.priority,
        sizes=tuple(request.sizes),
        seed=secrets.randbelow(2**32) if request.seed is None else request.seed,
        enhance=request.enhance,
        num_images=request.num_images,
        requested_steps=request.steps or 0,
        requested_guidance=-1.0 if request.guidance is None else request.guidance,
        owner=owner,
        webhook_url=request.webhook_url or "",
        request_id=correlation_id.get() or "",
        traceparent=tracing.current(),
    )
