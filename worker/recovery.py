"""Recovers a job whose worker, message or pixels are gone. Used by the sweeper and by a dead child's parent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.jobs import Failure, JobStatus
from shared.ledger import counters, moves
from shared.ledger.moves import MAX_ATTEMPTS
from shared.observability import tracing
from shared.observability.logging import get_logger
from shared.queue import OUTAGE_BUDGET_SECONDS, send_finish, send_generate
from shared.results import places
from shared.results.store import PIXELS_TTL_SECONDS

if TYPE_CHECKING:
    from celery import Celery

    from shared.jobs import Job
    from shared.ledger.run import Ledger
    from shared.results.store import ResultStore

log = get_logger(__name__)


class Recovery:
    def __init__(self, ledger: Ledger, results: ResultStore, celery: Celery, job_ttl_seconds: int) -> None:
        self._ledger = ledger
        self._results = results
        self._celery = celery
        self._ttl = job_ttl_seconds

    def recover(self, job: Job, reason: str, *, unless_leased: bool = False) -> None:
        """Sends a job on from its status: publishes it, finishes it again or draws it again. Cancels it if its client
        has asked for that, and fails it after MAX_ATTEMPTS.

        :param reason: for logs, events and the counter.
        :param unless_leased: changes nothing if the lease was renewed meanwhile, for a caller that saw it run out.
        """
        if job.is_terminal:
            return
        if job.cancel_requested:
            cancel = moves.cancel(job.id, ttl_seconds=self._ttl, attempt=job.attempt, unless_leased=unless_leased)
            log.info("job.canceled", outcome=self._ledger.run(cancel).outcome)
            return
        if job.status is JobStatus.QUEUED:
            self.publish(job, reason)
        elif job.status is JobStatus.FINISHING and self._pixels_exist(job) and job.finish_tries < MAX_ATTEMPTS:
            self._finish_again(job, reason, unless_leased)
        elif job.attempt >= MAX_ATTEMPTS:
            self._fail_poisonous(job, reason, unless_leased)
        else:
            self._draw_again(job, reason, unless_leased)

    def publish(self, job: Job, reason: str) -> None:
        self._send(job)
        counters.count(self._ledger.client, counters.recovered(reason, job.status))
        log.info("job.published_again", reason=reason)

    def _send(self, job: Job) -> None:
        with tracing.span("job.publish", job.traceparent, job_id=job.id):
            send_generate(self._celery, job.id, job.request_id, job.priority)

    def _draw_again(self, job: Job, reason: str, unless_leased: bool) -> None:
        requeue = moves.requeue(job.id, job.attempt, reason=reason, unless_leased=unless_leased)
        if self._ledger.run(requeue).outcome.holds:
            log.warning("job.requeued", reason=reason, attempt=job.attempt, worker=job.worker)
            self._send(job)

    def _finish_again(self, job: Job, reason: str, unless_leased: bool) -> None:
        """A try counts once its message is out: a full Redis refuses messages, and a drawing must not be lost for that.
        If this process ends between the two, one try is not counted.
        """
        take = moves.refinish(job.id, job.attempt, job.finish_tries, unless_leased=unless_leased)
        if not self._ledger.run(take).outcome.holds:
            return
        send_finish(self._celery, job.id, job.request_id)
        tries = job.finish_tries + 1
        self._ledger.run(moves.refinish(job.id, job.attempt, tries, reason=reason))
        log.warning("job.finish_published_again", reason=reason, tries=tries)

    def finish_later(self, job: Job, reason: str) -> None:
        """Puts a job that its finisher holds at the end of the queue, as often as need be: this is no try."""
        self._results.keep(places.pixels(job.id, job.attempt), PIXELS_TTL_SECONDS)
        again = moves.refinish(job.id, job.attempt, job.finish_tries, reason=reason)
        if self._ledger.run(again).outcome.holds:
            send_finish(self._celery, job.id, job.request_id, outage_seconds=OUTAGE_BUDGET_SECONDS)
            log.warning("job.finish_postponed", reason=reason)

    def _fail_poisonous(self, job: Job, reason: str, unless_leased: bool) -> None:
        message = f"the job was given up after {job.attempt} attempts"
        moved = self._ledger.run(
            moves.fail(
                job.id,
                code=Failure.POISON,
                message=message,
                ttl_seconds=self._ttl,
                attempt=job.attempt,
                reason=reason,
                unless_leased=unless_leased,
            )
        )
        if moved.outcome.holds:
            log.error("job.failed", code=Failure.POISON, reason=reason, attempt=job.attempt)

    def _pixels_exist(self, job: Job) -> bool:
        return self._results.exists(places.pixels(job.id, job.attempt))
