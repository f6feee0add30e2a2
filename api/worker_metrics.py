"""Metrics of several API processes behind one port: whichever of them is scraped tells those of all.

Prometheus's library keeps counters and histograms in a file for each process, also after its end, and adds them up.
What is no count (calls held, lateness) each process writes there once a second; of processes that ended it is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from api.processes import COUNTED_IN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client import CollectorRegistry, Gauge
    from prometheus_client.core import Metric

EVERY_SECONDS = 1.0
_FILE = re.compile(r".*_(\d+)\.db")


def folder() -> Path | None:
    """Where the processes behind this port count; None for a single process."""
    found = os.environ.get(COUNTED_IN)
    return Path(found) if found else None


class Shown:
    """Gauges of this process, written once a second while it runs."""

    def __init__(self, gauges: Iterable[tuple[Gauge, Callable[[], float]]]) -> None:
        self._gauges = list(gauges)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        timer = loop.call_soon(lambda: None)

        def show() -> None:
            nonlocal timer
            for gauge, read in self._gauges:
                gauge.set(read())
            timer = loop.call_later(EVERY_SECONDS, show)

        if self._gauges:
            show()
        try:
            yield
        finally:
            timer.cancel()


def register_all(registry: CollectorRegistry, counted_in: Path) -> None:
    """Registers what all processes have counted, and the sum of their CPU time, memory and open files."""
    processes = {int(found[1]) for path in counted_in.iterdir() if (found := _FILE.fullmatch(path.name))}
    alive = {pid for pid in processes if Path(f"/proc/{pid}").exists()}
    for pid in processes - alive:
        mark_process_dead(pid, str(counted_in))  # type: ignore[no-untyped-call] # the library's is untyped
    MultiProcessCollector(registry, str(counted_in))  # type: ignore[no-untyped-call]
    registry.register(_Processes(alive))


class _Processes:
    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = sorted(pids)

    def collect(self) -> Iterator[Metric]:
        """As ProcessCollector names them: sums, but of the start the first."""
        values: dict[str, list[float]] = defaultdict(list)
        texts, counters = {}, set()
        for pid in self._pids:
            for family in ProcessCollector(pid=functools.partial(int, pid), registry=None).collect():
                texts[family.name] = family.documentation
                if family.type == "counter":
                    counters.add(family.name)
                values[family.name] += [sample.value for sample in family.samples]
        for name, found in values.items():
            kind = CounterMetricFamily if name in counters else GaugeMetricFamily
            yield kind(name, texts[name], value=min(found) if "start_time" in name else sum(found))
