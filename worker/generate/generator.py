"""Draws one job: claims the next, denoises under a lease, and hands the raw pixels over to a finisher."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from shared.canvas import Canvas
from shared.connection import UNAVAILABLE, is_full
from shared.jobs import Failure, JobWarning
from shared.ledger import measuring, moves
from shared.ledger.replies import Hold, Outcome
from shared.observability import tracing
from shared.observability.logging import get_logger
from shared.queue import ONE_MESSAGE_SECONDS, ROOM_WAIT_SECONDS, finish_message, send_generate
from shared.results import places
from shared.results.opening import open_pixels
from shared.results.places import WHOLE
from shared.results.store import PIXELS_TTL_SECONDS
from worker import adapters
from worker.generate import readiness
from worker.lease import Lease, Stopped
from worker.model import DeviceLost, Drawing, GenerationError
from worker.prompts import Wish, compose

if TYPE_CHECKING:
    from celery import Celery

    from shared.jobs import Job
    from shared.ledger.replies import Moved
    from shared.ledger.run import Ledger
    from shared.results.places import Place
    from shared.results.store import ResultStore
    from worker.model import LogoModel, Pixels
    from worker.settings import WorkerSettings

log = get_logger(__name__)
# A worker that waits for room asks again after this time.
ROOM_CHECK_SECONDS = 1.0


class Generator:
    """Draws jobs, one at a time.

    :param name: the worker's.
    :param ledger, results: their client waits for Redis to come back from an outage.
    :param fail_fast: a ledger whose client does not wait, for calls that are repeated anyway (lease renewals) or whose
        loss does no harm (previews, estimates).
    """

    def __init__(  # noqa: PLR0913 - all that one job needs
        self,
        name: str,
        model: LogoModel,
        ledger: Ledger,
        fail_fast: Ledger,
        results: ResultStore,
        celery: Celery,
        settings: WorkerSettings,
    ) -> None:
        self._name = name
        self._model = model
        self._ledger = ledger
        self._fail_fast = fail_fast
        self._results = results
        self._previews = open_pixels(fail_fast.client)  # a preview lives for seconds, beside the lease
        self._celery = celery
        self._settings = settings
        self._loras = {f"{path.name}:{scale:g}" for path, scale in adapters.named(settings.lora_paths)}
        # For the heartbeat.
        self.job_id = ""  # the job in hand
        self.waits_for_room = False

    def generate(self, job_id: str) -> None:
        """Draws the job whose turn it is, whatever job the message was sent for, and those that follow it for a while:
        between two messages a worker waits for the acknowledgement of the one and the delivery of the other.
        """
        if readiness.held():
            # The message came before the gate was shut: it is for a worker that may draw.
            send_generate(self._celery, job_id, "")
            log.info("message.returned")
            return
        start = time.monotonic()
        while self._draw_next() and time.monotonic() - start < ONE_MESSAGE_SECONDS and not self._stops():
            pass

    def _stops(self) -> bool:
        return readiness.ending() or readiness.held()

    def _draw_next(self) -> bool:
        """Returns False if there was no job to draw."""
        moved = self._claim()
        if moved.job is None or moved.outcome is Outcome.NO_ROOM:
            # A duplicate delivery, one of a job that was drawn or ended meanwhile, or one that waited for room to the
            # end.
            log.debug("message.skipped", outcome=moved.outcome)
            return False
        with structlog.contextvars.bound_contextvars(job_id=moved.job.id, request_id=moved.job.request_id):
            if moved.outcome is Outcome.EXHAUSTED:
                message = f"the job was given up after {moves.MAX_ATTEMPTS} attempts"
                self._fail(moved.job.id, None, Failure.POISON, message)
            else:
                self._draw(moved.job)
        return True

    def _draw(self, job: Job) -> None:
        queued = (job.started_at - job.created_at) / 1000
        log.info("job.claimed", attempt=job.attempt, queue_seconds=round(queued, 3), worker=self._name)
        if job.cancel_requested or 0 < job.deadline_at <= job.started_at:
            self._stop(job, Hold.CANCEL if job.cancel_requested else Hold.EXPIRED)
            return
        self.job_id = job.id
        try:
            if job.attempt == 1:
                tracing.past("job.queued", job.traceparent, job.created_at, job.started_at)
            with (
                tracing.span("job.generate", job.traceparent, job_id=job.id, attempt=job.attempt),
                Lease(self._fail_fast, job, self._settings.stall_seconds, self._previews) as lease,
            ):
                self._hand_over(job, self._pixels(job, lease), lease)
        except Stopped as stopped:
            self._stop(job, stopped.hold)
        except GenerationError as error:
            self._fail(job.id, job.attempt, error.code, str(error))
        finally:
            self.job_id = ""

    def _claim(self) -> Moved:
        """Claims the next job as soon as Redis has room for its result; a wait costs no attempt.

        Whoever still finds no room in the end, or is told to shut down, lets the message go: the sweeper sends another.
        """
        claim = moves.claim_next(worker=self._name, delivery=str(uuid.uuid4()))
        moved = self._ledger.run(claim)
        if moved.outcome is not Outcome.NO_ROOM:
            return moved
        log.warning("worker.waits_for_room", worker=self._name)
        since = time.monotonic()
        self.waits_for_room = True
        try:
            while moved.outcome is Outcome.NO_ROOM and time.monotonic() - since < ROOM_WAIT_SECONDS:
                if readiness.ending():
                    break
                time.sleep(ROOM_CHECK_SECONDS)
                moved = self._ledger.run(claim)
        finally:
            self.waits_for_room = False
        log.info("worker.waited_for_room", seconds=round(time.monotonic() - since, 1), outcome=moved.outcome)
        return moved

    def _pixels(self, job: Job, lease: Lease) -> Pixels:
        image = self._results.get(places.input_image(job.id)).get(WHOLE) if job.has_image else None
        if job.has_image and image is None:
            raise GenerationError(Failure.IMAGE_GONE, "the image that was sent has expired; submit it again")
        composed = compose(
            Wish(
                job.prompt,
                job.enhance,
                job.style_template,
                job.text,
                job.layout,
                job.colors,
                job.background_color,
            )
        )
        drawing = Drawing(
            prompt=composed.text,
            size=job.largest,
            seeds=job.seeds,
            steps=job.requested_steps or None,
            guidance=None if job.requested_guidance < 0 else job.requested_guidance,
            image=image,
            strength=job.strength if job.has_image else 1.0,
        )
        start = time.perf_counter()
        try:
            with tracing.span("job.denoise", size=str(drawing.size)):
                pixels = self._model.generate(drawing, lease.step)
        except (Stopped, GenerationError):
            raise
        except DeviceLost:
            # The parent requeues the job for its next attempt and replaces this process (worker/child_death.py).
            log.exception("device.lost", attempt=job.attempt)
            os.kill(os.getpid(), signal.SIGKILL)
            raise
        except Exception as error:
            log.exception("job.generation_failed")
            raise GenerationError(Failure.GENERATION_FAILED, f"the model failed ({type(error).__name__})") from error
        drawn = Canvas(pixels.width, pixels.height)
        log.info("job.denoised", seconds=round(time.perf_counter() - start, 3), size=str(drawn))
        if pixels.prompt_characters is None:
            return pixels
        # Of the job's own prompt, and one at least: 0 means all.
        return replace(pixels, prompt_characters=max(1, pixels.prompt_characters - composed.start))

    def _hand_over(self, job: Job, pixels: Pixels, lease: Lease) -> None:
        lease.drawn()
        place = places.pixels(job.id, job.attempt)
        self._store(place, pixels, lease)
        moved = self._ledger.run(
            moves.finish(
                job.id,
                job.attempt,
                width=pixels.width,
                height=pixels.height,
                model=self._model.name,
                steps=lease.steps,
                prompt_characters=pixels.prompt_characters,
                warnings=self._shortfalls(job) if job.style_lora else None,
                message=finish_message(self._celery, job.id, job.request_id),
            )
        )
        if not moved.outcome.holds or moved.job is None:
            log.warning("job.lost", outcome=moved.outcome, attempt=job.attempt)
            self._results.drop(place)
            return
        if moved.job.cancel_requested:
            # The request came after the last step had checked for one. A later request finds the job finishing, and
            # cancels it at once, so that none is lost.
            self._stop(job, Hold.CANCEL)
            return
        log.info("job.drawn", attempt=job.attempt, steps=lease.steps, step_seconds=lease.step_seconds)
        if lease.step_seconds is not None:
            # Only the estimates need this time.
            with contextlib.suppress(*UNAVAILABLE):
                self._fail_fast.run(measuring.learn_drawing(moved.job, lease.step_seconds))

    def _shortfalls(self, job: Job) -> tuple[JobWarning, ...]:
        """A style's words say most of it: a worker without its adapter draws with them alone, and says so."""
        if job.style_lora in self._loras:
            return ()
        message = f"style: {job.style} was drawn by its words alone; this worker has no LoRA {job.style_lora}"
        log.warning("lora.missing", style=job.style, lora=job.style_lora)
        return (JobWarning("style_lora_missing", message),)

    def _store(self, place: Place, pixels: Pixels, lease: Lease) -> None:
        """Waits as long as Redis is full: the lease holds meanwhile, and the drawing must not be lost."""
        while True:
            try:
                self._results.put(place, {WHOLE: pixels.data}, PIXELS_TTL_SECONDS)
            except UNAVAILABLE as error:
                if not is_full(error):
                    raise
                log.warning("pixels.refused", error=repr(error))
                lease.check()
                time.sleep(ROOM_CHECK_SECONDS)
            else:
                return

    def _stop(self, job: Job, hold: Hold) -> None:
        ttl = self._settings.job_ttl_seconds
        match hold:
            case Hold.CANCEL:
                self._ledger.run(moves.cancel(job.id, ttl_seconds=ttl, attempt=job.attempt))
                log.info("job.canceled", attempt=job.attempt)
            case Hold.EXPIRED:
                self._ledger.run(moves.expire(job.id, ttl_seconds=ttl, attempt=job.attempt))
                log.info("job.expired", attempt=job.attempt)
            case _:
                log.warning("job.lost", hold=hold, attempt=job.attempt)

    def _fail(self, job_id: str, attempt: int | None, code: Failure, message: str) -> None:
        ttl = self._settings.job_ttl_seconds
        self._ledger.run(moves.fail(job_id, code=code, message=message, ttl_seconds=ttl, attempt=attempt))
        log.error("job.failed", code=code, message=message, attempt=attempt)
