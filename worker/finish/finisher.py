"""Finishes one job: resize, encode, store under a TTL, succeed."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from shared import ledger, pace, tracing
from shared.connection import UNAVAILABLE
from shared.images import drop_images, load_pixels, store_images
from shared.jobs import Failure, JobStatus
from shared.logging import get_logger
from worker.finish.encode import encode
from worker.lease import Lease

if TYPE_CHECKING:
    from shared.jobs import Job
    from shared.scripts import Ledger
    from worker.recovery import Recovery
    from worker.settings import WorkerSettings

log = get_logger(__name__)


class Finisher:
    """`jobs` outlasts an outage of Redis, `lease_jobs` does not wait for one: its loop comes again anyway."""

    def __init__(self, jobs: Ledger, lease_jobs: Ledger, recovery: Recovery, settings: WorkerSettings) -> None:
        self._jobs = jobs
        self._lease_jobs = lease_jobs
        self._recovery = recovery
        self._settings = settings

    def finish(self, job_id: str) -> None:
        reading = self._jobs.run(ledger.read(job_id))
        if reading is None or reading.job.status is not JobStatus.FINISHING:
            log.info("finish.skipped", status=reading and reading.job.status)
            return
        job = reading.job
        if job.cancel_requested:
            # While it was drawn; who drew it died before it could cancel it.
            self._recovery.recover(job, "canceled")
            return
        with (
            tracing.span("job.finish", job.traceparent, job_id=job.id, attempt=job.attempt),
            Lease(self._lease_jobs, job, self._settings.stall_seconds),
        ):
            self._finish(job)

    def _finish(self, job: Job) -> None:
        pixels = load_pixels(self._jobs.client, job.id, job.attempt)
        if pixels is None:
            self._recovery.recover(job, "pixels_gone")
            return
        try:
            start = time.perf_counter()
            images = encode(pixels, job.width, job.height, job.sizes)
        except Exception:
            log.exception("job.failed", code=Failure.FINISH_FAILED)
            self._jobs.run(
                ledger.fail(
                    job.id,
                    code=Failure.FINISH_FAILED,
                    message="the image could not be encoded",
                    ttl_seconds=self._settings.job_ttl_seconds,
                    attempt=job.attempt,
                )
            )
            return
        log.info("job.encoded", seconds=round(time.perf_counter() - start, 3), images=list(images))
        self._succeed(job, images)

    def _succeed(self, job: Job, images: dict[str, str]) -> None:
        ttl = self._settings.result_ttl_seconds
        client = self._jobs.client
        store_images(client, job.id, job.attempt, images, ttl)
        seconds, _ = client.time()
        moved = self._jobs.run(
            ledger.succeed(
                job.id,
                job.attempt,
                images_expire_at=(seconds + ttl) * 1000,
                ttl_seconds=max(self._settings.job_ttl_seconds, ttl),
            )
        )
        if moved.job is None or not moved.outcome.holds:
            # Canceled or expired meanwhile: what was stored just now belongs to nobody.
            drop_images(client, job.id, job.attempt)
            log.info("finish.too_late", status=moved.job and moved.job.status)
            return
        ended = moved.job
        log.info(
            "job.succeeded",
            attempt=ended.attempt,
            seconds=(ended.finished_at - ended.created_at) / 1000,
            queued_seconds=(ended.started_at - ended.created_at) / 1000,
            denoise_seconds=(ended.drawn_at - ended.started_at) / 1000,
            finish_seconds=(ended.finished_at - ended.drawn_at) / 1000,
        )
        # Only the estimates need it.
        with contextlib.suppress(*UNAVAILABLE):
            self._lease_jobs.run(pace.learn_finishing(ended))
