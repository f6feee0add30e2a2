"""`python -m worker.sweeper`: every two seconds, what nobody else would notice: leases that ran out, jobs without a
message, deadlines that passed, webhooks that are due. Any number may run; the holder of a lock in Redis works.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
import uuid
from typing import TYPE_CHECKING

import structlog
from kombu.exceptions import OperationalError

from shared import settings
from shared.connection import UNAVAILABLE, patient_client
from shared.jobs import JobStatus
from shared.ledger import moves, reads, webhooks
from shared.ledger.leadership import lead
from shared.ledger.moves import LEASE_SECONDS
from shared.ledger.run import Ledger
from shared.observability import exporter, logging, metrics, tracing
from shared.queue import FINISH, GENERATE, WEBHOOK, make_celery, send_webhook, waiting_job_ids
from shared.results.opening import open_results
from worker.recovery import Recovery
from worker.settings import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery
    from prometheus_client.core import Metric

    from shared.jobs import Job
    from shared.results.store import ResultStore

log = logging.get_logger(__name__)
SWEEP_SECONDS = 2.0
LOCK_SECONDS = 10.0
# Leases ran out while Redis did not answer for longer, whether or not it answered in the end: it is an outage.
ANSWER_SECONDS = 3.0
# Celery has its own error where it could not publish.
OUTAGE = (*UNAVAILABLE, OperationalError)
# A turn in which Redis does not answer takes up to a minute.
STUCK_SECONDS = 120.0
# A message is neither in a list nor claimed for a moment while it is delivered; twice missing is missing.
MESSAGE_CHECK_SECONDS = 5.0


class Sweeper:
    def __init__(self, ledger: Ledger, results: ResultStore, celery: Celery, job_ttl_seconds: int) -> None:
        self._ledger = ledger
        self._celery = celery
        self._ttl = job_ttl_seconds
        self._recovery = Recovery(ledger, results, celery, job_ttl_seconds)
        self._without_message: set[str] = set()
        self._checked_messages = 0.0

    def sweep(self, *, leases: bool = True) -> None:
        """`leases` False: just after an outage, holders get the time to renew them."""
        for job in self._jobs_of(self._ledger.run(reads.passed_deadlines())):
            moved = self._ledger.run(moves.expire(job.id, ttl_seconds=self._ttl, attempt=job.attempt))
            if moved.outcome.holds:
                log.info("job.expired", job_id=job.id, request_id=job.request_id)
        if leases:
            self.recover_lost()
        self.send_webhooks()
        if time.monotonic() - self._checked_messages >= MESSAGE_CHECK_SECONDS:
            self._checked_messages = time.monotonic()
            self.publish_missing()

    def send_webhooks(self) -> None:
        due = self._ledger.run(webhooks.due())
        sent = waiting_job_ids(self._ledger.client, WEBHOOK) if due else set()
        for job in self._jobs_of([job_id for job_id in due if self._ledger.run(webhooks.hold(job_id))]):
            # One that was sent waits for a sender that is free: it is held, not sent twice.
            if job.id not in sent:
                send_webhook(self._celery, job.id, job.request_id)

    def recover_lost(self) -> None:
        lost = self._jobs_of(self._ledger.run(reads.lost_leases()))
        to_finish = waiting_job_ids(self._ledger.client, FINISH) if lost else set()
        for job in lost:
            if job.status is JobStatus.FINISHING and job.id in to_finish:
                # Nobody holds it yet: it waits for a finisher.
                self._ledger.run(moves.renew(job.id, job.attempt))
                continue
            with structlog.contextvars.bound_contextvars(job_id=job.id, request_id=job.request_id):
                self._recovery.recover(job, "lease_lost", unless_leased=True)

    def publish_missing(self) -> None:
        """Publishes queued jobs that had no message at this check and at the one before."""
        queued = self._ledger.run(reads.queued())
        missing = set(queued) - waiting_job_ids(self._ledger.client, GENERATE) if queued else set()
        for job in self._jobs_of(sorted(missing & self._without_message)):
            if job.status is JobStatus.QUEUED:
                with structlog.contextvars.bound_contextvars(job_id=job.id, request_id=job.request_id):
                    self._recovery.publish(job, "no_message")
        self._without_message = missing - self._without_message

    def _jobs_of(self, job_ids: list[str]) -> list[Job]:
        return [job for job_id in job_ids if (job := self._job(job_id))]

    def _job(self, job_id: str) -> Job | None:
        """None for one that is gone, and for one that cannot be read: the others must not wait for it."""
        try:
            reading = self._ledger.run(reads.job(job_id))
        except (ValueError, TypeError) as error:
            # The next version may write what this one does not know.
            log.error("job.unreadable", job_id=job_id, error=repr(error))  # noqa: TRY400 - its traceback says no more
            return None
        return reading.job if reading else None


class Watch:
    """When the loop last came round, and when it last swept; for /metrics and /health."""

    def __init__(self) -> None:
        self.turned_at = time.monotonic()
        self.leads = False
        self.swept_at = 0.0  # seconds since the epoch

    def trouble(self) -> str:
        silent = time.monotonic() - self.turned_at
        return f"no turn of the loop for {silent:.0f} s" if silent > STUCK_SECONDS else ""

    def collect(self) -> Iterator[Metric]:
        yield metrics.SWEEPER_LEADS.family([((), self.leads)])
        yield metrics.SWEEPER_LAST.family([((), self.swept_at)])


def run(config: WorkerSettings) -> None:
    watch = Watch()
    exporter.serve(config, "sweeper", watch.trouble, watch.collect)
    # No retries: an outage must be seen, because leases ran out in it that their holders could not renew.
    ledger = Ledger(patient_client(config.redis_url, outage_seconds=0, answer_seconds=ANSWER_SECONDS))
    results = open_results(ledger.client)
    sweeper = Sweeper(ledger, results, make_celery(config.redis_url), config.job_ttl_seconds)
    name = str(uuid.uuid4())
    trusted_from = time.monotonic() + LEASE_SECONDS
    try:
        while True:
            watch.turned_at = time.monotonic()
            try:
                led, watch.leads = watch.leads, ledger.run(lead(name, LOCK_SECONDS))
                if watch.leads != led:
                    log.info("sweeper.leads" if watch.leads else "sweeper.lost_lead")
                if watch.leads:
                    sweeper.sweep(leases=time.monotonic() >= trusted_from)
                    watch.swept_at = time.time()
            except OUTAGE as error:
                log.warning("sweeper.redis_unavailable", error=repr(error))
                trusted_from = time.monotonic() + LEASE_SECONDS
            except Exception:
                log.exception("sweeper.failed")
            time.sleep(SWEEP_SECONDS)
    finally:
        # The next one need not wait for the lock to run out.
        with contextlib.suppress(*UNAVAILABLE):
            ledger.run(lead(name, 0))


def main() -> None:
    config = settings.load(WorkerSettings)
    logging.configure(config.log_level, config.log_format, "sweeper")
    tracing.configure(config.otel_exporter_otlp_endpoint, "sweeper")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    run(config)


if __name__ == "__main__":
    main()
