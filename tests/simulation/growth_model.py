"""The arithmetic of growth: what a site of so many cards, phones and processes asks of each of its parts.

All costs are those of `growth.json`, which `growth_measure.py` writes.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

FIGURES = Path(__file__).with_name("growth.json")
RETRY_SECONDS = 1.0  # a poll's Retry-After
WAIT_SECONDS = 60.0  # the longest wait that a call may ask for
HELD_CALLS = 5000  # MAX_HELD_CALLS of a process
TOGETHER_SECONDS = 0.02  # a process reads the events that come within it together (api/waiting.py)
IMAGES_SECONDS = 3600  # RESULT_TTL_SECONDS
RECORD_BYTES = 12 * 1024  # of a queued job (docs/deployment.md)
LINK_BYTES = 1.25e9  # a second, of 10 Gbit/s
MEMORY_BYTES = 64 * 2**30  # of Redis's machine
PEAK = 0.7  # no part should be asked for more than this


@dataclass(frozen=True)
class Site:
    """`phones`: those that have a job under way, and poll or wait for it. All cards are busy."""

    cards: int
    phones: int
    waits: bool = False
    processes: int = 1  # of the API
    outside: bool = False  # results in a store of objects
    replicas: int = 0  # of Redis, that answer polls
    cells: int = 1  # each with its own Redis, and its part of all the rest

    @property
    def one_cell(self) -> Site:
        def part(of: int) -> int:
            return max(1, math.ceil(of / self.cells))

        return replace(self, cards=part(self.cards), phones=part(self.phones), processes=part(self.processes), cells=1)


@dataclass(frozen=True)
class Costs:
    """Of a call, a job, an event, a waiter; in ms of CPU time and in bytes."""

    submit: dict[str, float]
    poll: dict[str, float]
    waiter: dict[str, float]
    event: dict[str, float]
    job: dict[str, float]  # from its submit to its images, without events that are read
    idle: dict[str, float]  # a second of one worker that draws nothing
    events_a_job: float
    seconds_a_job: float
    pixels_bytes: int
    image_bytes: int
    worker_ms: dict[str, float]

    @classmethod
    def of(cls, found: dict[str, Any]) -> Costs:
        drawing = found["drawing"]
        return cls(
            found["submit"]["mean"],
            found["poll"]["mean"],
            found["waiter"],
            found["event"],
            drawing["job"],
            drawing["idle_a_second"],
            drawing["events_a_job"],
            drawing["seconds_a_job"],
            1024 * 1024 * 3,
            drawing["image_bytes"],
            drawing["worker_ms"],
        )


def figures() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FIGURES.read_text())
    return found


def rates(site: Site, costs: Costs) -> dict[str, float]:
    """Jobs, polls, waits, events a second, and how often each API process reads events."""
    jobs = site.cards / costs.seconds_a_job
    return {
        "jobs": jobs,
        "polls": 0.0 if site.waits else site.phones / RETRY_SECONDS,
        "waits": max(jobs, site.phones / WAIT_SECONDS) if site.waits else 0.0,
        "events": jobs * costs.events_a_job,
        "readings": jobs * costs.events_a_job / (1 + jobs * costs.events_a_job * TOGETHER_SECONDS),
    }


def api_ms(site: Site, costs: Costs) -> float:
    """Milliseconds of CPU that all API processes need in a second."""
    rate, waiter = rates(site, costs), costs.waiter
    calls = rate["jobs"] * costs.submit["process_ms"] + rate["polls"] * costs.poll["process_ms"]
    calls += rate["waits"] * (waiter["accept_ms"] + waiter["answer_ms"])
    return calls + site.processes * reader_ms(site, costs)


def reader_ms(site: Site, costs: Costs) -> float:
    """Of it, what each process spends on events, whether they concern it or not."""
    rate = rates(site, costs)
    return rate["readings"] * costs.event["api_ms_a_reading"] + rate["events"] * costs.event["api_ms"]


def redis_ms(site: Site, costs: Costs) -> dict[str, float]:
    """Milliseconds that Redis's thread needs in a second, by what asks."""
    rate = rates(site, costs)
    return {
        "jobs": rate["jobs"] * costs.job["redis_ms"],
        "polls": rate["polls"] * costs.poll["redis_ms"] / (site.replicas or 1),
        "waits": rate["waits"] * costs.waiter["accept_redis_ms"],
        "events": site.processes
        * (rate["readings"] * costs.event["redis_ms_a_reading"] + rate["events"] * costs.event["redis_ms_a_reader"]),
        "idle workers": site.cards * costs.idle["redis_ms"],
    }


def loads(site: Site, costs: Costs) -> dict[str, float]:
    """The share of each part that one cell needs; above 1 it does not keep up."""
    cell = site.one_cell
    rate = rates(cell, costs)
    spent = redis_ms(cell, costs)
    primary = sum(spent.values()) - (spent["polls"] if cell.replicas else 0)
    moved = costs.job["bytes_in"] + costs.job["bytes_out"] - (2 * costs.image_bytes if cell.outside else 0)
    sent = rate["jobs"] * moved + rate["polls"] * costs.poll["bytes_out"]
    sent += rate["events"] * cell.processes * costs.event["bytes_a_reader"]
    kept = cell.phones * RECORD_BYTES
    kept += 0 if cell.outside else rate["jobs"] * IMAGES_SECONDS * costs.image_bytes
    found = {
        "API: CPU": api_ms(cell, costs) / 1000 / cell.processes,
        "API: held calls": cell.phones / cell.processes / HELD_CALLS if cell.waits else 0.0,
        "Redis: thread": primary / 1000,
        "Redis: network": sent / LINK_BYTES,
        "Redis: memory": kept / MEMORY_BYTES,
    }
    if cell.replicas:
        found["replicas: thread"] = spent["polls"] / 1000
    return found


def first_limit(site: Site, costs: Costs) -> tuple[str, float]:
    return max(loads(site, costs).items(), key=lambda found: found[1])


def processes_for(site: Site, costs: Costs) -> int:
    """How many API processes of a cell leave each at PEAK; what an event costs each of them is in it."""
    cell = replace(site.one_cell, processes=1)
    own = reader_ms(cell, costs) / 1000
    if own >= PEAK:
        return 10**6  # each has more than it can do with the events alone
    by_cpu = (api_ms(cell, costs) / 1000 - own) / (PEAK - own)
    by_held = cell.phones / HELD_CALLS / PEAK if cell.waits else 0
    return max(1, math.ceil(by_cpu), math.ceil(by_held))


def cells_for(site: Site, costs: Costs) -> Site:
    """As few cells as leave each part of each at PEAK, with the API processes that they need."""
    for cells in range(1, site.cards + 1):
        found = replace(site, cells=cells)
        found = replace(found, processes=cells * processes_for(found, costs))
        if first_limit(found, costs)[1] <= PEAK:
            return found
    return found
