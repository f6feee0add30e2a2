"""What the sweeper does in a turn: recovers jobs with lost leases, publishes jobs without a message, expires jobs whose
deadline has passed, cancels those that their callers have left, sends webhooks that are due, and gives images up where
there is no room for drawings.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from shared.jobs import JobStatus
from shared.ledger import calls, counters, moves, reads, wakeups, webhooks
from shared.ledger.moves import LEASE_SECONDS
from shared.ledger.replies import Outcome
from shared.ledger.room import room
from shared.observability.logging import get_logger
from shared.queue import FINISH, GENERATE, WEBHOOK, lists_of, send_webhook, waiting_job_ids, waiting_messages_of
from shared.results import places
from shared.results.store import PIXELS_TTL_SECONDS
from worker.recovery import Recovery
from worker.server_clock import ServerClock

if TYPE_CHECKING:
    from celery import Celery

    from shared.jobs import Job
    from shared.ledger.run import Ledger
    from shared.results.store import ResultStore

log = get_logger(__name__)
# While a message is delivered, it is for a moment neither in a list nor has it led to a claim: only one that is lacking
# at two checks in a row is lost.
MESSAGE_CHECK_SECONDS = 5.0
# The jobs whose images are given up in one turn, at most.
GIVEN_UP = 200


class Sweeper:
    """Its ledger's client must not wait for Redis: the sweeper's loop has to see each outage (worker/sweeper.py)."""

    def __init__(
        self, ledger: Ledger, results: ResultStore, celery: Celery, job_ttl_seconds: int, *, evict_images: bool = True
    ) -> None:
        """:param evict_images: give up the oldest images when Redis has no room for the next drawing."""
        self._ledger = ledger
        self._clock = ServerClock(ledger.client)
        self._trusted_from = 0.0  # no lease counts as lost before, by the monotonic clock
        self._results = results
        self._evict_images = evict_images
        self._celery = celery
        self._ttl = job_ttl_seconds
        self._recovery = Recovery(ledger, results, celery, job_ttl_seconds)
        self._lacking = 0  # messages, at the last check
        self._checked_messages = 0.0

    def sweep(self, *, leases: bool = True) -> None:
        """Expires, recovers, sends and publishes what is due.

        :param leases: False just after an outage, when holders still need time to renew their leases.
        """
        for job in self._jobs_of(self._ledger.run(reads.passed_deadlines())):
            moved = self._ledger.run(moves.expire(job.id, ttl_seconds=self._ttl, attempt=job.attempt))
            if moved.outcome.holds:
                log.info("job.expired", job_id=job.id, request_id=job.request_id)
        self.cancel_abandoned()
        if self._evict_images:
            self.make_room()
        if leases:
            self.recover_lost()
        self.send_webhooks()
        if time.monotonic() - self._checked_messages >= MESSAGE_CHECK_SECONDS:
            self._checked_messages = time.monotonic()
            self.publish_missing()

    def cancel_abandoned(self) -> None:
        """Cancels the jobs of held calls that were cut and not repeated in time."""
        for job_id in self._ledger.run(calls.abandoned()):
            try:
                moved = self._ledger.run(moves.request_cancel(job_id, ttl_seconds=self._ttl, abandoned=True))
            except (ValueError, TypeError) as error:
                log.error("job.unreadable", job_id=job_id, error=repr(error))  # noqa: TRY400 - as in `_job`
                continue
            if moved.job and moved.outcome in (Outcome.MOVED, Outcome.FLAGGED):
                counters.count(self._ledger.client, counters.ABANDONED)
                log.info("job.abandoned", job_id=job_id, request_id=moved.job.request_id, outcome=moved.outcome)

    def make_room(self) -> None:
        """Drops images, those that expire first, until the next drawing has room. Never pixels or records."""
        given_up = 0
        if self._ledger.run(room()).lacking <= 0:
            return
        for job in self._jobs_of(self._ledger.run(reads.oldest_images(GIVEN_UP))):
            self._results.drop(places.images(job.id, job.attempt))
            given_up += self._ledger.run(moves.give_up_images(job.id))
            if self._ledger.run(room()).lacking <= 0:
                break
        if given_up:
            log.warning("images.given_up", jobs=given_up)

    def send_webhooks(self) -> None:
        due = self._ledger.run(webhooks.due())
        sent = waiting_job_ids(self._ledger.client, WEBHOOK) if due else set()
        for job in self._jobs_of([job_id for job_id in due if self._ledger.run(webhooks.hold(job_id))]):
            # A webhook whose message still waits for a sender is only held, not sent twice.
            if job.id not in sent:
                send_webhook(self._celery, job.id, job.request_id)

    def recover_lost(self) -> None:
        """Does nothing just after the server's clock was set: leases ended that their holders are about to renew."""
        ended = self._ledger.run(reads.lost_leases())
        # Looked at after the list: what ended before a step was lost.
        if step := self._clock.step():
            self._trusted_from = time.monotonic() + LEASE_SECONDS
            if step < 0:
                self._ledger.run(moves.shorten_leases())
        if time.monotonic() < self._trusted_from:
            return
        lost = self._jobs_of(ended)
        to_finish = waiting_job_ids(self._ledger.client, FINISH) if lost else set()
        full = bool(lost) and self._ledger.run(room()).full
        for job in lost:
            if job.status is JobStatus.FINISHING and job.id in to_finish:
                # The job waits for a finisher, and nobody holds it yet.
                self._ledger.run(moves.renew(job.id, job.attempt))
                # However long the finishers are away, or the store of the images.
                self._results.keep(places.pixels(job.id, job.attempt), PIXELS_TTL_SECONDS)
                continue
            if job.status is JobStatus.FINISHING and full and not job.cancel_requested:
                # No message can be sent, and the drawing is safe where it is.
                continue
            with structlog.contextvars.bound_contextvars(job_id=job.id, request_id=job.request_id):
                self._recovery.recover(job, "lease_lost", unless_leased=True)

    def publish_missing(self) -> None:
        """Sends as many messages as queued jobs had too few, at this check and at the one before; first removes those
        of jobs that have ended, if there are many.

        Each message makes a worker draw the job that is next, which need not be its own, so their number counts.
        Nothing is sent while the next job has no room: a worker that waits for it holds a message.
        """
        if removed := self._ledger.run(wakeups.trim(lists_of(GENERATE))):
            log.info("messages.removed", count=removed)
        self._ledger.run(wakeups.adopt())
        found = self._ledger.run(room())
        queued = self._ledger.run(reads.queued())
        waiting = waiting_messages_of(self._ledger.client, GENERATE) if queued else {}
        lacking = max(0, len(queued) - sum(waiting.values()))
        if found.maximum and found.next_job > found.free:
            # The first check with room sends what is still lacking then.
            self._lacking = lacking
            return
        # Of jobs that have no message, so that one which cannot be read gets none again and again.
        missing = iter([job_id for job_id in queued if job_id not in waiting])
        published = 0
        while published < min(lacking, self._lacking) and (job_id := next(missing, "")):
            job = self._job(job_id)
            if job and job.status is JobStatus.QUEUED:
                published += 1
                with structlog.contextvars.bound_contextvars(job_id=job.id, request_id=job.request_id):
                    self._recovery.publish(job, "no_message")
        self._lacking = lacking - published

    def _jobs_of(self, job_ids: list[str]) -> list[Job]:
        return [job for job_id in job_ids if (job := self._job(job_id))]

    def _job(self, job_id: str) -> Job | None:
        """None for a job that is gone, or that cannot be read: the other jobs must not wait for it."""
        try:
            reading = self._ledger.run(reads.job(job_id))
        except (ValueError, TypeError) as error:
            # A newer version may write values that this one does not know.
            log.error("job.unreadable", job_id=job_id, error=repr(error))  # noqa: TRY400 - the traceback says no more
            return None
        return reading.job if reading else None
