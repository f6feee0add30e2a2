"""Phones, API processes, Redis and cards as they queue for each other, one cell at a time, in SimPy.

Redis answers what has come since its last turn, and writes it to the disk once, before it answers; an API process has
MOST_TRIPS round trips under way, and what is asked for meanwhile goes with the next one; its loop does one thing after
another. So delays under load are those of the parts as built, with the CPU times as they were measured.
"""

from __future__ import annotations

import itertools
import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import simpy
from growth_model import RETRY_SECONDS, TOGETHER_SECONDS, WAIT_SECONDS, Costs, Site

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_TRIPS = 2
FIRST_PART = 0.6  # of a call's work is done before Redis is asked
ASKED_BY_A_JOB = 12  # times that a job's way asks Redis
NETWORK_SECONDS = 0.0005
JITTER = (0.9, 1.1)  # of a phone's pause: networks and clocks differ


@dataclass
class Seen:
    """Seconds, one for each call after the warm-up."""

    polls: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)  # from a job's end to the answer of the call that waits for it
    jobs: int = 0
    redis_busy: float = 0.0
    api_busy: float = 0.0


class Sampled:
    """Draws from measured quantiles, scaled so that their mean is `mean`."""

    def __init__(self, quantiles: list[float], mean: float, chosen: random.Random) -> None:
        middles = [(a + b) / 2 for a, b in itertools.pairwise(quantiles)] or quantiles
        own = sum(middles) / len(middles)
        self._quantiles = [value * mean / own if own else 0.0 for value in quantiles]
        self._chosen = chosen

    def __call__(self) -> float:
        at = self._chosen.random() * (len(self._quantiles) - 1)
        low = int(at)
        if low + 1 == len(self._quantiles):
            return self._quantiles[low]
        return self._quantiles[low] + (at - low) * (self._quantiles[low + 1] - self._quantiles[low])


class Redis:
    """One thread. Asked by `ask`, whose event fires with the answer."""

    def __init__(self, env: simpy.Environment, disk_ms: Sampled, seen: Seen) -> None:
        self._env, self._disk_ms, self._seen = env, disk_ms, seen
        self._asked: list[tuple[float, bool, simpy.Event]] = []
        self._wake = env.event()
        env.process(self._serve())

    def ask(self, ms: float, *, writes: bool = False) -> simpy.Event:
        answered = self._env.event()
        self._asked.append((ms, writes, answered))
        if not self._wake.triggered:
            self._wake.succeed()
        return answered

    def _serve(self) -> Iterator[simpy.Event]:
        while True:
            if not self._asked:
                self._wake = self._env.event()
                yield self._wake
            batch, self._asked = self._asked, []
            work = sum(ms for ms, _, _ in batch) / 1000
            self._seen.redis_busy += work
            disk = self._disk_ms() / 1000 if any(writes for _, writes, _ in batch) else 0.0
            yield self._env.timeout(work + disk)
            for _, _, answered in batch:
                answered.succeed()


class Process:
    """An API process: one loop, and a reader of the events."""

    def __init__(self, env: simpy.Environment, redis: Redis, seen: Seen) -> None:
        self._env, self._redis, self._seen = env, redis, seen
        self._free_at = 0.0
        self._under_way = 0
        self._asked: list[tuple[float, bool, simpy.Event]] = []

    def work(self, ms: float) -> simpy.Event:
        """The loop has done it, after all that it was given before."""
        self._free_at = max(self._env.now, self._free_at) + ms / 1000
        self._seen.api_busy += ms / 1000
        return self._env.timeout(self._free_at - self._env.now)

    def ask(self, ms: float, *, writes: bool = False) -> simpy.Event:
        answered = self._env.event()
        self._asked.append((ms, writes, answered))
        if self._under_way < MOST_TRIPS:
            self._env.process(self._trip())
        return answered

    def _trip(self) -> Iterator[simpy.Event]:
        self._under_way += 1
        while self._asked:
            batch, self._asked = self._asked, []
            yield self._env.timeout(NETWORK_SECONDS)
            yield self._redis.ask(sum(ms for ms, _, _ in batch), writes=any(writes for _, writes, _ in batch))
            for _, _, answered in batch:
                answered.succeed()
        self._under_way -= 1


class Cell:
    def __init__(self, site: Site, found: dict[str, Any], seed: int = 1) -> None:
        """`found`: the measured figures."""
        self.site, self.costs, self.seen = site, Costs.of(found), Seen()
        self.env, self.chosen = simpy.Environment(), random.Random(seed)
        costs, sampled = self.costs, lambda quantiles, mean: Sampled(quantiles, mean, self.chosen)
        self.submit_ms = sampled(found["submit"]["api_ms"], costs.submit["process_ms"])
        self.poll_ms = sampled(found["poll"]["api_ms"], costs.poll["process_ms"])
        self.poll_redis_ms = sampled(found["poll"]["redis_ms"], costs.poll["redis_ms"])
        disk = found["disk_ms"]
        disk_ms = sampled(disk, sum(disk) / len(disk))
        self.redis = Redis(self.env, disk_ms, self.seen)
        # Replicas are alike: one of them is simulated, with its part of the phones.
        self.read_from = Redis(self.env, disk_ms, Seen()) if site.replicas else self.redis
        self.processes = [Process(self.env, self.redis, self.seen) for _ in range(site.processes)]
        reading = [Process(self.env, self.read_from, Seen()) for _ in range(site.processes)]
        self.reading = reading if site.replicas else self.processes
        self.waiting: deque[simpy.Event] = deque()  # the ends of queued jobs, the oldest first
        self.warm_up = 0.0
        self.events = 0  # that have not been read

    def run(self, seconds: float, warm_up: float) -> Seen:
        self.warm_up = warm_up
        for number in range(self.site.phones):
            self.env.process(self._phone(number % len(self.processes)))
        for _ in range(self.site.cards):
            self.env.process(self._card())
        self.env.run(warm_up)
        self.seen.redis_busy = self.seen.api_busy = 0.0
        self.env.run(warm_up + seconds)
        return self.seen

    def _phone(self, number: int) -> Iterator[simpy.Event]:
        """Has a job queued from the start; asks for it until it has ended, then submits the next."""
        process, reads, env = self.processes[number], self.reading[number], self.env
        turn = WAIT_SECONDS if self.site.waits else RETRY_SECONDS
        ended = env.event()
        self.waiting.append(ended)
        yield env.timeout(self.chosen.random() * turn)
        while True:
            if self.site.waits:
                asked_at = env.now
                yield process.work(self.costs.waiter["accept_ms"])
                yield process.ask(self.costs.waiter["accept_redis_ms"])
                yield ended | env.timeout(WAIT_SECONDS)
                # A phone that comes for the first time may find its job ended long ago.
                at = max(ended.value, asked_at) if ended.triggered else env.now
                yield process.work(self.costs.waiter["answer_ms"])
                if env.now > self.warm_up and ended.triggered:
                    self.seen.answers.append(env.now - at)
            else:
                at, ms = env.now, self.poll_ms()
                yield process.work(ms * FIRST_PART)
                yield reads.ask(self.poll_redis_ms())
                yield process.work(ms * (1 - FIRST_PART))
                if env.now > self.warm_up:
                    self.seen.polls.append(env.now - at)
            if ended.triggered:
                ended = env.event()
                ms = self.submit_ms()
                yield process.work(ms * FIRST_PART)
                yield process.ask(self.costs.submit["redis_ms"], writes=True)
                self._event()
                yield process.work(ms * (1 - FIRST_PART))
                self.waiting.append(ended)
            if not self.site.waits:
                yield env.timeout(RETRY_SECONDS * self.chosen.uniform(*JITTER))

    def _card(self) -> Iterator[simpy.Event]:
        share = (self.costs.job["redis_ms"] - self.costs.submit["redis_ms"]) / ASKED_BY_A_JOB
        pause = self.costs.seconds_a_job / ASKED_BY_A_JOB
        yield self.env.timeout(self.chosen.random() * self.costs.seconds_a_job)
        while True:
            ended = self.waiting.popleft() if self.waiting else None
            for number in range(ASKED_BY_A_JOB):
                yield self.env.timeout(pause)
                yield self.redis.ask(share, writes=True)
                if number % (ASKED_BY_A_JOB // 3) == 0:
                    self._event()
            if ended is not None:
                ended.succeed(self.env.now)
                self.seen.jobs += self.env.now > self.warm_up

    def _event(self) -> None:
        self.events += 1
        if self.events == 1:
            self.env.process(self._readings())

    def _readings(self) -> Iterator[simpy.Event]:
        """Each process reads one that comes alone at once, those that come within TOGETHER_SECONDS together."""
        cost = self.costs.event
        while self.events:
            count, self.events = self.events, 0
            self.redis.ask((cost["redis_ms_a_reading"] + count * cost["redis_ms_a_reader"]) * len(self.processes))
            for process in self.processes:
                process.work(cost["api_ms_a_reading"] + count * cost["api_ms"])
            yield self.env.timeout(TOGETHER_SECONDS)
