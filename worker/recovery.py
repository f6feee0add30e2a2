"""What becomes of a job whose worker, message or pixels are gone. Used by the sweeper and by a dead child's parent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import counters, ledger, tracing
from shared.jobs import Failure, JobStatus
from shared.ledger import MAX_ATTEMPTS
from shared.logging import get_logger
from shared.queue import send_finish, send_generate

if TYPE_CHECKING:
    from celery import Celery

    from shared.jobs import Job
    from shared.scripts import Ledger

log = get_logger(__name__)


class Recovery:
    def __init__(self, jobs: Ledger, celery: Celery, job_ttl_seconds: int) -> None:
        self._jobs = jobs
        self._celery = celery
        self._ttl = job_ttl_seconds

    def recover(self, job: Job, reason: str) -> None:
        """Sends a job on from the state that it is in."""
        if job.is_terminal:
            return
        if job.status is JobStatus.QUEUED:
            self.publish(job, reason)
        elif job.status is JobStatus.FINISHING and self._pixels_exist(job) and job.finish_tries < MAX_ATTEMPTS:
            self._finish_again(job, reason)
        else:
            self._draw_again(job, reason)

    def publish(self, job: Job, reason: str) -> None:
        self._send(job)
        counters.count(self._jobs.client, counters.recovered(reason, job.status))
        log.info("job.published_again", reason=reason)

    def _send(self, job: Job) -> None:
        with tracing.span("job.publish", job.traceparent, job_id=job.id):
            send_generate(self._celery, job.id, job.request_id, job.priority)

    def _draw_again(self, job: Job, reason: str) -> None:
        if job.cancel_requested:
            moved = self._jobs.run(ledger.cancel(job.id, ttl_seconds=self._ttl, attempt=job.attempt))
            log.info("job.canceled", outcome=moved.outcome)
        elif job.attempt >= MAX_ATTEMPTS:
            self._fail_poisonous(job, reason)
        elif self._jobs.run(ledger.requeue(job.id, job.attempt, reason=reason)).outcome.holds:
            log.warning("job.requeued", reason=reason, attempt=job.attempt, worker=job.worker)
            self._send(job)

    def _finish_again(self, job: Job, reason: str) -> None:
        moved = self._jobs.run(ledger.refinish(job.id, job.attempt, job.finish_tries + 1, reason=reason))
        if moved.outcome.holds:
            send_finish(self._celery, job.id, job.request_id)
            log.warning("job.finish_published_again", reason=reason, tries=job.finish_tries + 1)

    def _fail_poisonous(self, job: Job, reason: str) -> None:
        message = f"the job was given up after {job.attempt} attempts"
        moved = self._jobs.run(
            ledger.fail(
                job.id, code=Failure.POISON, message=message, ttl_seconds=self._ttl, attempt=job.attempt, reason=reason
            )
        )
        if moved.outcome.holds:
            log.error("job.failed", code=Failure.POISON, reason=reason, attempt=job.attempt)

    def _pixels_exist(self, job: Job) -> bool:
        return bool(self._jobs.client.exists(ledger.pixels_key(job.id, job.attempt)))
