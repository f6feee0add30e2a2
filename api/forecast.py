"""When jobs will be done: the queue in its order, given out to the live workers at their measured pace."""

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
    """Good for a second or two. `workers`: how many have their model loaded."""

    def __init__(self, outlook: Outlook, workers: int, pace: Pace) -> None:
        self._outlook = outlook
        self._workers = workers
        self._pace = pace
        self._taken_at = time.monotonic()
        self._starts: list[float] = []  # of each queued job: seconds after the look
        self._next_start: float | None = None  # of one behind all of them
        self._mean: float | None = None
        if workers:
            self._schedule()

    def eta_seconds(self, reading: Reading) -> float | None:
        """Until the images are there; None for a terminal job, and where nothing is known."""
        job, shape = reading.job, Shape.of(reading.job)
        if job.is_terminal:
            return None
        finishing = self._pace.finishing_seconds(shape)
        if job.status is JobStatus.FINISHING:
            return round(max(0.0, finishing - (self._now() - job.drawn_at) / 1000), 1)
        if job.status is JobStatus.RUNNING:
            start: float | None = 0.0
            running = Running(shape, job.step, job.steps, job.started_at)
            drawing = self._remaining(running, self._now())
        else:
            drawing = self._pace.drawing_seconds(shape)
            start = self._start(reading.queue_position or 1)
        return None if start is None or drawing is None else round(start + drawing + finishing, 1)

    def place_free_seconds(self, owner: str | None = None) -> float | None:
        """Until the next queued job, or the owner's next one, is taken; None where that is not known."""
        pairs = zip(self._starts, self._outlook.queued, strict=False)
        return next((start for start, job in pairs if owner is None or job.owner == owner), None)

    def _schedule(self) -> None:
        """Gives the queue out: each worker takes the first job as soon as it is free."""
        waiting = [self._pace.drawing_seconds(job.shape) for job in self._outlook.queued]
        drawn = [self._pace.drawing_seconds(job.shape) for job in self._outlook.running]
        known = [seconds for seconds in (*waiting, *drawn) if seconds is not None]
        if (waiting or drawn) and not known:
            return
        self._mean = sum(known) / len(known) if known else None
        left = [self._remaining(job, self._outlook.time) or 0.0 for job in self._outlook.running]
        # More may be listed as running than there are workers: those of a worker that has just died.
        free = ([0.0] * self._workers + sorted(left))[-self._workers :]
        for seconds in waiting:
            start = free[0]
            heapq.heapreplace(free, start + (self._mean or 0.0 if seconds is None else seconds))
            self._starts.append(start)
        self._next_start = free[0]

    def _start(self, position: int) -> float | None:
        """Of a queued job, in seconds from now."""
        if self._next_start is None:
            return None
        behind = position - len(self._starts) - 1
        start = self._starts[position - 1] if behind < 0 else self._next_start
        if behind > 0:
            # It came after the look, or is further back than was looked.
            start += behind * (self._mean or 0.0) / self._workers
        return max(0.0, start - (time.monotonic() - self._taken_at))

    def _remaining(self, job: Running, now: float) -> float | None:
        """Seconds of a running job's drawing: the larger of what the clock and the steps say."""
        drawing, step = self._pace.drawing_seconds(job.shape), self._pace.step_seconds(job.shape)
        if drawing is None or step is None:
            return None
        return max(drawing - (now - job.started_at) / 1000, (job.steps - job.step) * step, 0.0)

    def _now(self) -> float:
        """By the clock of the Redis server, in milliseconds."""
        return self._outlook.time + (time.monotonic() - self._taken_at) * 1000


UNKNOWN = Forecast(Outlook(0, [], []), 0, Pace({}))


def retry_after(seconds: float | None) -> int:
    """For a `Retry-After`: 1 to 60 s, 10 where nothing is known."""
    return 10 if seconds is None else min(60, max(1, math.ceil(seconds)))
