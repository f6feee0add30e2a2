"""`python -m worker.sweeper`: every two seconds, what nobody else would notice: leases that ran out, jobs without a
message, deadlines that passed, webhooks that are due. Any number may run; the holder of a lock in Redis works.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from typing import TYPE_CHECKING

import structlog
from redis.exceptions import LockError

from shared import exporter, ledger, logging, metrics, settings, tracing, webhooks
from shared.connection import UNAVAILABLE, patient_client
from shared.jobs import JobStatus
from shared.ledger import LEASE_SECONDS
from shared.queue import FINISH, GENERATE, WEBHOOK, make_celery, send_webhook, waiting_job_ids
from shared.scripts import Ledger
from worker.recovery import Recovery
from worker.settings import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery
    from prometheus_client.core import Metric
    from redis.lock import Lock

    from shared.jobs import Job

log = logging.get_logger(__name__)
SWEEP_SECONDS = 2.0
LOCK_SECONDS = 10.0
# A turn in which Redis does not answer takes up to a minute.
STUCK_SECONDS = 120.0
# A message is neither in a list nor claimed for a moment while it is delivered; twice missing is missing.
MESSAGE_CHECK_SECONDS = 5.0


class Sweeper:
    def __init__(self, jobs: Ledger, celery: Celery, job_ttl_seconds: int) -> None:
        self._jobs = jobs
        self._celery = celery
        self._ttl = job_ttl_seconds
        self._recovery = Recovery(jobs, celery, job_ttl_seconds)
        self._without_message: set[str] = set()
        self._checked_messages = 0.0

    def sweep(self, *, leases: bool = True) -> None:
        """`leases` False: just after an outage, holders get the time to renew them."""
        for job in self._jobs_of(self._jobs.run(ledger.passed_deadlines())):
            moved = self._jobs.run(ledger.expire(job.id, ttl_seconds=self._ttl, attempt=job.attempt))
            if moved.outcome.holds:
                log.info("job.expired", job_id=job.id, request_id=job.request_id)
        if leases:
            self.recover_lost()
        self.send_webhooks()
        if time.monotonic() - self._checked_messages >= MESSAGE_CHECK_SECONDS:
            self._checked_messages = time.monotonic()
            self.publish_missing()

    def send_webhooks(self) -> None:
        due = self._jobs.run(webhooks.due())
        sent = waiting_job_ids(self._jobs.client, WEBHOOK) if due else set()
        for job in self._jobs_of([job_id for job_id in due if self._jobs.run(webhooks.hold(job_id))]):
            # One that was sent waits for a sender that is free: it is held, not sent twice.
            if job.id not in sent:
                send_webhook(self._celery, job.id, job.request_id)

    def recover_lost(self) -> None:
        lost = self._jobs_of(self._jobs.run(ledger.lost_leases()))
        to_finish = waiting_job_ids(self._jobs.client, FINISH) if lost else set()
        for job in lost:
            if job.status is JobStatus.FINISHING and job.id in to_finish:
                # Nobody holds it yet: it waits for a finisher.
                self._jobs.run(ledger.renew(job.id, job.attempt))
                continue
            with structlog.contextvars.bound_contextvars(job_id=job.id, request_id=job.request_id):
                self._recovery.recover(job, "lease_lost")

    def publish_missing(self) -> None:
        """Publishes queued jobs that had no message at this check and at the one before."""
        queued = self._jobs.run(ledger.queued())
        missing = set(queued) - waiting_job_ids(self._jobs.client, GENERATE) if queued else set()
        for job in self._jobs_of(sorted(missing & self._without_message)):
            if job.status is JobStatus.QUEUED:
                with structlog.contextvars.bound_contextvars(job_id=job.id, request_id=job.request_id):
                    self._recovery.publish(job, "no_message")
        self._without_message = missing - self._without_message

    def _jobs_of(self, job_ids: list[str]) -> list[Job]:
        readings = [self._jobs.run(ledger.read(job_id)) for job_id in job_ids]
        return [reading.job for reading in readings if reading]


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
    client = patient_client(config.redis_url, outage_seconds=0)
    sweeper = Sweeper(Ledger(client), make_celery(config.redis_url), config.job_ttl_seconds)
    lock = client.lock("logo:sweeper", timeout=LOCK_SECONDS, thread_local=False)
    trusted_from = time.monotonic() + LEASE_SECONDS
    try:
        while True:
            watch.turned_at = time.monotonic()
            try:
                watch.leads = _leads(lock)
                if watch.leads:
                    sweeper.sweep(leases=time.monotonic() >= trusted_from)
                    watch.swept_at = time.time()
            except LockError:
                log.info("sweeper.lost_lead")
            except UNAVAILABLE as error:
                log.warning("sweeper.redis_unavailable", error=repr(error))
                trusted_from = time.monotonic() + LEASE_SECONDS
            except Exception:
                log.exception("sweeper.failed")
            time.sleep(SWEEP_SECONDS)
    finally:
        # The next one need not wait for the lock to run out.
        with contextlib.suppress(LockError, *UNAVAILABLE):
            lock.release()


def _leads(lock: Lock) -> bool:
    if lock.owned():
        return bool(lock.reacquire())
    taken = bool(lock.acquire(blocking=False))
    if taken:
        log.info("sweeper.leads")
    return taken


def main() -> None:
    config = settings.load(WorkerSettings)
    logging.configure(config.log_level, config.log_format, "sweeper")
    tracing.configure(config.otel_exporter_otlp_endpoint, "sweeper")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    run(config)


if __name__ == "__main__":
    main()
