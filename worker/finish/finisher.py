"""Finishes one job: resize, encode, store under a TTL, succeed."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from shared.connection import UNAVAILABLE
from shared.jobs import Failure, JobFile, JobStatus, JobWarning
from shared.ledger import measuring, moves, reads, room
from shared.observability import tracing
from shared.observability.logging import get_logger
from shared.queue import OUTAGE_BUDGET_SECONDS
from shared.results import places
from shared.results.places import WHOLE
from shared.results.store import StoreAway
from worker.finish.encode import encode_images, make_all, pictures
from worker.finish.marking import marking_of
from worker.lease import Lease, Stopped
from worker.outputs.image_filter import ImageFilter

if TYPE_CHECKING:
    from shared.jobs import Job
    from shared.ledger.run import Ledger
    from shared.results.places import Place
    from shared.results.store import ResultStore
    from worker.finish.encode import Finished
    from worker.recovery import Recovery
    from worker.settings import WorkerSettings

log = get_logger(__name__)
# Between two tries to store images, and the reason of recoveries that a longer outage leads to.
STORE_CHECK_SECONDS, STORE_AWAY = 1.0, "store_away"


class Refused(Exception):
    """SAFETY does not let the drawing be shown."""


class Finisher:
    """Finishes jobs, one at a time.

    :param ledger, results: their client waits for Redis to come back from an outage.
    :param fail_fast: a ledger whose client does not wait, for calls that are repeated anyway (lease renewals) or whose
        loss does no harm (estimates).
    """

    def __init__(
        self, ledger: Ledger, fail_fast: Ledger, results: ResultStore, recovery: Recovery, settings: WorkerSettings
    ) -> None:
        self._ledger = ledger
        self._fail_fast = fail_fast
        self._results = results
        self._recovery = recovery
        self._settings = settings
        self._marking = marking_of(settings)
        self._image_filter = ImageFilter() if settings.filters_images else None

    def finish(self, job_id: str) -> None:
        reading = self._ledger.run(reads.job(job_id))
        if reading is None or reading.job.status is not JobStatus.FINISHING:
            log.info("finish.skipped", status=reading and reading.job.status)
            return
        job = reading.job
        if job.cancel_requested:
            # The request came while the job was drawn, and its worker died before it could cancel the job.
            self._recovery.recover(job, "canceled")
            return
        with (
            tracing.span("job.finish", job.traceparent, job_id=job.id, attempt=job.attempt),
            # A finish has no steps, so STALL_SECONDS does not bound it; Celery's hard limit does.
            Lease(self._fail_fast, job, stall_seconds=None) as lease,
        ):
            self._finish(job, lease)

    def _finish(self, job: Job, lease: Lease) -> None:
        pixels = self._results.get(places.pixels(job.id, job.attempt)).get(WHOLE)
        if pixels is None:
            self._recovery.recover(job, "pixels_gone")
            return
        try:
            start = time.perf_counter()
            self._refuse_filtered(pixels, job)
            finished = make_all(pixels, job, self._marking)
            images = encode_images(finished)
        except Refused:
            log.warning("job.failed", code=Failure.CONTENT_FILTERED)
            self._fail(job, Failure.CONTENT_FILTERED, "this server does not show what was drawn")
            return
        except Exception:
            log.exception("job.failed", code=Failure.FINISH_FAILED)
            self._fail(job, Failure.FINISH_FAILED, "the image could not be encoded")
            return
        log.info("job.encoded", seconds=round(time.perf_counter() - start, 3), images=list(images))
        for shortfall in finished.warnings:
            log.warning("output.reduced", code=shortfall.code, message=shortfall.message)
        try:
            self._store(job, images, lease)
        except Stopped as stopped:
            # The job was canceled or expired meanwhile, or another finisher has it.
            log.info("finish.too_late", status=stopped.hold)
        except StoreAway:
            self._recovery.finish_later(job, STORE_AWAY)
        else:
            self._succeed(job, finished)

    def _refuse_filtered(self, pixels: bytes, job: Job) -> None:
        """:raises Refused: one of the drawings is refused, and so are all."""
        if self._image_filter and any(map(self._image_filter.refuses, pictures(pixels, job))):
            raise Refused

    def _fail(self, job: Job, code: Failure, message: str) -> None:
        ttl = self._settings.job_ttl_seconds
        self._ledger.run(moves.fail(job.id, code=code, message=message, ttl_seconds=ttl, attempt=job.attempt))

    def _store(self, job: Job, images: dict[str, str], lease: Lease) -> None:
        """Waits for a store that is away as long as its client waits for Redis.

        :raises StoreAway: it was away for longer.
        """
        place = places.finished_images(job.id, job.attempt)
        until = time.monotonic() + OUTAGE_BUDGET_SECONDS
        while True:
            try:
                self._results.put(place, images, self._settings.images_kept_seconds(job))
            except StoreAway as error:
                log.warning("store.unavailable", error=str(error))
                lease.check()
                if time.monotonic() > until:
                    raise
                time.sleep(STORE_CHECK_SECONDS)
            else:
                return

    def _succeed(self, job: Job, finished: Finished) -> None:
        ttl = self._settings.images_kept_seconds(job)
        place = places.finished_images(job.id, job.attempt)
        moved = self._ledger.run(
            moves.succeed(
                job.id,
                job.attempt,
                images_ttl_seconds=ttl,
                ttl_seconds=max(self._settings.job_ttl_seconds, ttl),
                pixels=room.image_pixels(job),
                files=self._stored(place, finished),
                warnings=job.warnings
                + tuple(JobWarning(shortfall.code, shortfall.message) for shortfall in finished.warnings),
                palette=tuple(finished.palette),
                colors_share=finished.colors_share,
            )
        )
        if moved.job is None or not moved.outcome.holds:
            # The job was canceled or expired meanwhile: nobody will read the images that were stored just now.
            with contextlib.suppress(StoreAway):  # where they expire
                self._results.drop(place)
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
        # Only the estimates need these times.
        with contextlib.suppress(*UNAVAILABLE):
            self._fail_fast.run(measuring.learn_finishing(ended))

    def _stored(self, place: Place, finished: Finished) -> tuple[JobFile, ...]:
        """The files as they are stored: what another finisher had stored before stays."""
        sizes = self._results.sizes(place) if finished.files else {}
        return tuple(
            JobFile(file.name, file.format, sizes[file.name], file.width, file.height)
            for file in finished.files
            if file.name in sizes
        )
