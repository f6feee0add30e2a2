"""The memory of every process of a stack over a run, and whether it grows."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from dataclasses import dataclass

import psutil

EVERY_SECONDS = 5.0
WARM_UP_SECONDS = 20.0  # of each process: imports, the model, the first jobs
MIB = 2**20


@dataclass(frozen=True)
class Growth:
    part: str
    processes: int
    longest_seconds: float
    most_mib: float
    mib_per_minute: float | None  # None: no process of the part outlived its warm-up


class Memory(threading.Thread):
    """Reads each process's resident memory. Paused processes are read too."""

    def __init__(self, stack, parts):
        super().__init__(name="memory", daemon=True)
        self.stack, self.parts = stack, parts
        self.over = threading.Event()
        self.samples = defaultdict(lambda: defaultdict(list))  # part -> process -> [(its age in s, bytes)]

    def run(self):
        while not self.over.wait(EVERY_SECONDS):
            for part, (module, inside) in self.parts.items():
                for process in self.stack.processes(module):
                    with contextlib.suppress(psutil.Error):
                        if (process.ppid() != self.stack.process.pid) == inside:
                            age = time.time() - process.create_time()
                            self.samples[part][process.pid].append((age, process.memory_info().rss))

    def stop(self):
        self.over.set()
        self.join()

    def growth(self):
        return [_growth(part, self.samples[part]) for part in self.parts]


def _growth(part, samples):
    """The least-squares slope of a part: one slope for all of its processes, with an intercept for each."""
    numerator = denominator = 0.0
    for series in samples.values():
        warm = [(age, size) for age, size in series if age >= WARM_UP_SECONDS]
        if len(warm) < 3:
            continue
        ages, sizes = zip(*warm, strict=True)
        age_mean, size_mean = sum(ages) / len(ages), sum(sizes) / len(sizes)
        numerator += sum((age - age_mean) * (size - size_mean) for age, size in warm)
        denominator += sum((age - age_mean) ** 2 for age in ages)
    read = [item for series in samples.values() for item in series]
    return Growth(
        part,
        len(samples),
        max((age for age, _ in read), default=0),
        max((size for _, size in read), default=0) / MIB,
        numerator / denominator * 60 / MIB if denominator else None,
    )
