"""Estimates when jobs will be done: assigns the queued jobs in order to the ready workers, at their measured pace.

api/forecasting.py builds a `Forecast` from a snapshot of the ledger (`Outlook`).
"""

from __future__ import annotations

import heapq
import math
import time
from typing import TYPE_CHECKING

from shared.jobs import JobStatus
from shared.ledger.outlook import Outlook, Running
from shared.pace import Pace, Shape

if TYPE_CHECKING:
    from shared.ledger.replies import Reading


class Forecast:
    """Estimates from one outlook, good for a second or two. `workers`: the number of workers with a loaded model."""

    def __init__(self, outlook: Outlook, workers: int, pace: Pace) -> None:
        self._outlook = outlook
        self._workers = workers
        self._pace = pace
        self._taken_at = time.monotonic()
        self._starts: list[float] = []  # start of each queued job, in seconds after the outlook
        self._next_start: float | None = None  # start of a job behind all of them
        self._mean: float | None = None  # seconds of a drawing whose own time is unknown
        if workers:
            self._schedule()

    @property
    def looked_at(self) -> int:
        """The number of queued jobs that it is made of."""
        return len(self._outlook.queued)

    def eta_seconds(self, reading: Reading) -> float | None:
        """Seconds until the images are stored; None for a terminal job, or if there is no estimate."""
        job, shape = reading.job, Shape.of(reading.job)
        if job.is_terminal:
            return None
        finishing = self._pace.finishing_seconds(shape)
        if job.status is JobStatus.FINISHING:
            return round(max(0.0, finishing - (self._now() - job.drawn_at) / 1000), 1)
        if job.status is JobStatus.RUNNING:
            start: float | None = 0.0
            running = Running(shape, job.step, job.steps, job.started_at)
            drawing = self._remaining_seconds(running, self._now())
        else:
            drawing = self._pace.drawing_seconds(shape)
            start = self._start_seconds(reading.queue_position or 1)
        return None if start is None or drawing is None else round(start + drawing + finishing, 1)

    def place_free_seconds(self, owner: str | None = None) -> float | None:
        """Seconds until a worker claims the next queued job, or the owner's next one; None if there is no estimate."""
        pairs = zip(self._starts, self._outlook.queued, strict=False)
        return next((start for start, job in pairs if owner is None or job.owner == owner), None)

    def _schedule(self) -> None:
        """Fills `_starts`: each worker takes the first queued job as soon as it is free."""
        shapes = {job.shape for job in self._outlook.queued} | {job.shape for job in self._outlook.running}
        takes = {shape: self._pace.drawing_seconds(shape) for shape in shapes}
        waiting = [takes[job.shape] for job in self._outlook.queued]
        drawn = [takes[job.shape] for job in self._outlook.running]
        known = [seconds for seconds in (*waiting, *drawn) if seconds is not None]
        if (waiting or drawn) and not known:
            return
        self._mean = sum(known) / len(known) if known else None
        left = [self._remaining_seconds(job, self._outlook.time) or 0.0 for job in self._outlook.running]
        # More jobs may run than there are workers: the job of a worker that has just died still counts as running.
        free = ([0.0] * self._workers + sorted(left))[-self._workers :]
        for seconds in waiting:
            start = free[0]
            heapq.heapreplace(free, start + (self._mean or 0.0 if seconds is None else seconds))
            self._starts.append(start)
        self._next_start = free[0]

    def _start_seconds(self, position: int) -> float | None:
        """Seconds from now until the queued job at `position`, from 1, starts."""
        if self._next_start is None:
            return None
        behind = position - len(self._starts) - 1
        start = self._starts[position - 1] if behind < 0 else self._next_start
        if behind > 0:
            # The job was queued after the outlook, or lies beyond the jobs that the outlook read.
            start += behind * (self._mean or 0.0) / self._workers
        return max(0.0, start - (time.monotonic() - self._taken_at))

    def _remaining_seconds(self, job: Running, now: float) -> float | None:
        """Seconds left of a running job's drawing: the larger of the estimates by elapsed time and by steps left."""
        drawing, step = self._pace.drawing_seconds(job.shape), self._pace.step_seconds(job.shape)
        if drawing is None or step is None:
            return None
        # The outlook's time is behind the server's by what its answer took, and the job may have been claimed since.
        elapsed = max(0.0, now - job.started_at) / 1000
        return max(drawing - elapsed, (job.steps - job.step) * step, 0.0)

    def _now(self) -> float:
        """Milliseconds since the epoch by the Redis server's clock."""
        return self._outlook.time + (time.monotonic() - self._taken_at) * 1000


UNKNOWN = Forecast(Outlook(0, [], []), 0, Pace({}))


def retry_after(seconds: float | None) -> int:
    """The value of a `Retry-After` header: 1 to 60 s; 10 s if there is no estimate."""
    return 10 if seconds is None else min(60, max(1, math.ceil(seconds)))
