"""Two queues of one priority: the oldest job first, and fair shares as in shared/ledger/lua/turns.part.lua."""

from __future__ import annotations

import collections
from dataclasses import dataclass

FIRST_DRAWING_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Job:
    key: str
    created: float
    seconds: float  # what its drawing takes


class Oldest:
    def __init__(self):
        self._jobs = collections.deque()

    def put(self, job):
        self._jobs.append(job)

    def take(self):
        return self._jobs.popleft() if self._jobs else None

    def drawn(self, job):
        pass


class Fair:
    def __init__(self, weights=()):
        self._lanes = {}  # those of keys with queued jobs
        self._weights = dict(weights)
        self._served = collections.defaultdict(float)
        self._means = {}
        self._charged = {}
        self._now = 0.0

    def put(self, job):
        if job.key not in self._lanes:
            clock = min([self._now, *(self._served[key] for key in self._lanes)])
            self._served[job.key] = max(self._served[job.key], clock)
            self._lanes[job.key] = collections.deque()
        self._lanes[job.key].append(job)

    def take(self):
        if not self._lanes:
            return None
        key = min(self._lanes, key=lambda key: (self._served[key], self._lanes[key][0].created))
        job = self._lanes[key].popleft()
        if not self._lanes[key]:
            del self._lanes[key]
        self._now = max(self._now, self._served[key])
        self._charged[job] = self._means.get(key, self._means.get("", FIRST_DRAWING_SECONDS)) / self._weight(key)
        self._served[key] += self._charged[job]
        return job

    def drawn(self, job, seconds=None):
        """`seconds`: what it took; by itself, what it was to take."""
        seconds = job.seconds if seconds is None else seconds
        self._served[job.key] += seconds / self._weight(job.key) - self._charged.pop(job)
        for name in (job.key, ""):
            mean = self._means.get(name, seconds)
            self._means[name] = mean + 0.2 * (seconds - mean)

    def _weight(self, key):
        return self._weights.get(key, 1)
