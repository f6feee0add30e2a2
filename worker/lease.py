"""The lease of a job that is drawn or finished: a thread renews it, writes progress and learns whether to go on, so
that the work never waits for Redis.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Self

import structlog

from shared.connection import UNAVAILABLE
from shared.ledger import moves
from shared.ledger.replies import Hold
from shared.observability.logging import get_logger
from shared.results import places
from shared.results.places import WHOLE
from shared.results.store import PREVIEW_TTL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from shared.jobs import Job
    from shared.ledger.run import Ledger
    from shared.results.store import ResultStore

log = get_logger(__name__)
RENEW_SECONDS = 2.0
MIN_INTERVAL_SECONDS = 0.05


class Stopped(Exception):
    """The work must stop; `hold` says why."""

    def __init__(self, hold: Hold) -> None:
        super().__init__(hold)
        self.hold = hold


class Lease:
    def __init__(
        self, ledger: Ledger, job: Job, stall_seconds: float | None, previews: ResultStore | None = None
    ) -> None:
        """:param ledger: must fail fast.
        :param stall_seconds: a step that takes longer ends the process; None: for work that reports no steps.
        :param previews: where previews of the drawing are stored, if the model makes any.
        """
        self._ledger = ledger
        self._previews = previews
        self._job = job
        self._stall_seconds = stall_seconds
        self._hold = Hold.HELD
        self._progress: tuple[int, int | None] = (0, None)
        self._preview: Callable[[], bytes] | None = None
        self._last_step = time.monotonic()
        self._first_step = (0, self._last_step)  # (number, end) of the step after which the mean begins
        self._wake = threading.Event()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._context = structlog.contextvars.get_contextvars()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._done.set()
        self._wake.set()
        self._thread.join()

    @property
    def steps(self) -> int:
        """The number of steps of the drawing; 0 before the first report."""
        return self._progress[1] or 0

    @property
    def step_seconds(self) -> float | None:
        """Mean seconds of the steps after the first, or of the first if it is the only one; None before any."""
        (first, since), (last, _) = self._first_step, self._progress
        return (self._last_step - since) / (last - first) if last > first else None

    def step(self, step: int, steps: int, preview: Callable[[], bytes] | None = None, /) -> None:
        """Reports a finished step, and a preview of the drawing. Never blocks.

        :raises Stopped: the lease is lost, the job was canceled, or its deadline has passed.
        """
        before, self._progress = self._progress[0], (step, steps)
        self._preview = preview or self._preview
        self._last_step = time.monotonic()
        # The first report may be of several steps: those of images that are drawn together end at once.
        if step == 0 or (before == 0 and step < steps):
            self._first_step = (step, self._last_step)
        self._wake.set()
        if self._hold is not Hold.HELD:
            raise Stopped(self._hold)

    def drawn(self) -> None:
        """Says that there are no more steps: the hand-over may wait for Redis, and has time-outs of its own."""
        self._stall_seconds = None

    def check(self) -> None:
        """:raises Stopped: as in `step`."""
        if self._hold is not Hold.HELD:
            raise Stopped(self._hold)

    def _renew(self) -> None:
        structlog.contextvars.bind_contextvars(**self._context)
        while not self._done.is_set():
            step, steps = self._progress
            try:
                self._hold = self._ledger.run(moves.renew(self._job.id, self._job.attempt, step=step, steps=steps))
            except UNAVAILABLE as error:
                # The drawing goes on: if the lease is given away meanwhile, the ledger refuses the hand-over.
                log.warning("lease.not_renewed", error=repr(error))
            self._show_preview()
            self._end_if_stalled()
            self._done.wait(MIN_INTERVAL_SECONDS)
            self._wake.wait(RENEW_SECONDS)
            self._wake.clear()

    def _show_preview(self) -> None:
        preview, self._preview = self._preview, None
        if preview is None or self._previews is None:
            return
        try:
            place = places.preview(self._job.id, self._job.attempt)
            self._previews.put(place, {WHOLE: preview()}, PREVIEW_TTL_SECONDS)
        except Exception as error:  # noqa: BLE001 - the lease must be renewed even if a preview fails
            log.warning("preview.failed", error=repr(error))

    def _end_if_stalled(self) -> None:
        """A hung kernel cannot be interrupted from Python: the process ends, and its parent recovers the job."""
        stalled = time.monotonic() - self._last_step
        if self._stall_seconds is not None and stalled > self._stall_seconds:
            log.error("job.stalled", seconds=round(stalled, 1), step=self._progress[0])
            os.kill(os.getpid(), signal.SIGKILL)
