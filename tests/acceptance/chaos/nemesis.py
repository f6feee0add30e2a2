"""Injects faults, chosen at random from a seed, into the processes of one stack."""

from __future__ import annotations

import collections
import contextlib
import random
import signal
import threading
import time

import httpx
import psutil
import redis
from burst import Burst
from greedy import Greedy
from tenants import BURST

GENERATE, FINISH, SWEEPER, API, VALKEY = (
    "worker.generate",
    "worker.finish.main",
    "worker.sweeper",
    "api.main",
    "valkey-server",
)
# The process, and whether the fault hits one of its children.
PARTS = {
    "generate child": (GENERATE, True),
    "generate parent": (GENERATE, False),
    "finish child": (FINISH, True),
    "finish parent": (FINISH, False),
    "sweeper": (SWEEPER, False),
    "api": (API, False),
    "valkey": (VALKEY, False),
}
# How often each fault is chosen. A generate worker takes seconds to load its model again, and a pause stops its part
# for longer than a kill: these are rarer, so that enough happens between them.
WEIGHTS = {
    "SIGKILL": {
        "generate child": 2,
        "generate parent": 1,
        "finish child": 3,
        "finish parent": 2,
        "sweeper": 2,
        "api": 3,
        "valkey": 2,
    },
    "SIGSTOP": {
        "generate child": 1,
        "generate parent": 1,
        "finish child": 2,
        "finish parent": 1,
        "sweeper": 1,
        "api": 1,
        "valkey": 1,
    },
    # SIGTERM drains a whole process; its children get theirs from the parent.
    "SIGTERM": {"generate parent": 1, "finish parent": 2, "sweeper": 1, "api": 1, "valkey": 1},
    "maxmemory": {"reached": 2},
    "neighbour": {"greedy": 2},
    "burst": {"of polls and waits": 2},
}
# Where images are in a store of their own.
STORE_WEIGHTS = {"store": {"killed": 8, "paused": 3}}


# What all calls of a burst ask for.
OF_BURST = {"prompt": "a white dove", "sizes": [64], "steps": 1}


class Nemesis(threading.Thread):
    def __init__(self, stack, seed, *, gap_seconds, pause_seconds, store=None):
        super().__init__(name="nemesis", daemon=True)
        self.stack = stack
        self.random = random.Random(seed)
        self.gap_seconds, self.pause_seconds = gap_seconds, pause_seconds
        self.over = threading.Event()
        self.faults = collections.Counter()
        self.paused = []  # (when to resume, process)
        self.full_until = None
        self.store, self.store_away_until = store, None
        self.greedy = []  # the bursts of the greedy neighbour
        self.bursts = []
        self.valkey = redis.Redis.from_url(stack.redis_url, socket_timeout=1, socket_connect_timeout=1)
        self.maxmemory = stack.env.get("REDIS_MAXMEMORY", "2gb")
        weights = WEIGHTS | (STORE_WEIGHTS if store else {})
        choices = [(f"{action} {part}", w) for action, parts in weights.items() for part, w in parts.items()]
        self.names, self.weights = zip(*choices, strict=True)

    def run(self):
        while not self.over.wait(self.random.uniform(*self.gap_seconds)):
            self._end_what_is_due(time.monotonic())
            self.strike(self.random.choices(self.names, self.weights)[0])
        self._end_what_is_due(float("inf"))
        for burst in self.greedy:
            burst.join(30)
        for burst in self.bursts:
            burst.join()  # it ends by itself

    def stop(self):
        self.over.set()
        self.join()

    def strike(self, name):
        action, target = name.split(" ", 1)
        strikes = {
            "maxmemory": self._fill,
            "neighbour": self._let_loose,
            "store": lambda: self._strike_store(target),
            "burst": self._flood,
        }
        # While a burst is on, Redis is well: an answer that blames it is a finding.
        if (target == "valkey" or action == "maxmemory") and any(burst.is_alive() for burst in self.bursts):
            return
        if strikes[action]() if action in strikes else self._signal(action, target):
            self.faults[name] += 1
            if target == "api":
                for burst in filter(threading.Thread.is_alive, self.bursts):
                    burst.strikes += 1

    def _signal(self, action, target):
        part, inside = PARTS[target]
        found = [p for p in self.stack.processes(part) if self._is_child(p) == inside]
        if not found:
            return False
        process = self.random.choice(found)
        if action == "SIGSTOP" and any(process.pid == p.pid for _, p in self.paused):
            return False
        with contextlib.suppress(psutil.Error):
            process.send_signal(getattr(signal, action))
            if action == "SIGSTOP":
                self.paused.append((time.monotonic() + self.random.uniform(*self.pause_seconds), process))
            return True
        return False

    def _is_child(self, process):
        with contextlib.suppress(psutil.Error):
            return process.ppid() != self.stack.process.pid
        return False

    def _is_paused(self, name):
        """One that was paused may have been killed meanwhile."""
        for _, process in self.paused:
            with contextlib.suppress(psutil.NoSuchProcess):
                if name in process.name():
                    return True
        return False

    def _fill(self):
        if self.full_until is not None:
            return False
        with contextlib.suppress(redis.RedisError):
            self.valkey.config_set("maxmemory", 1)
            self.full_until = time.monotonic() + self.random.uniform(2, 10)
            return True
        return False

    def _strike_store(self, action):
        if self.store_away_until is not None or not self.store.strike(action):
            return False
        self.store_away_until = time.monotonic() + self.random.uniform(*self.pause_seconds)
        return True

    def _let_loose(self):
        if any(burst.is_alive() for burst in self.greedy):
            return False
        burst = Greedy(self.stack.url, self.random.getrandbits(32), self.random.uniform(5, 15))
        self.greedy.append(burst)
        burst.start()
        return True

    def _flood(self):
        if self.full_until is not None or self._is_paused("valkey") or any(burst.is_alive() for burst in self.bursts):
            return False
        with contextlib.suppress(httpx.TransportError):
            headers = {"X-API-Key": BURST}
            submitted = httpx.post(f"{self.stack.url}/api/jobs", json=OF_BURST, timeout=5, headers=headers)
            if submitted.status_code == 202:
                self.bursts.append(Burst(self.stack.url, submitted.json()["id"], self.random.getrandbits(32)))
                self.bursts[-1].start()
                return True
        return False

    def _end_what_is_due(self, now):
        for due, process in [item for item in self.paused if item[0] <= now]:
            self.paused.remove((due, process))
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGCONT)
        if self.store_away_until is not None and self.store_away_until <= now:
            self.store.mend()
            self.store_away_until = None
        if self.full_until is not None and self.full_until <= now:
            deadline = time.monotonic() + (30 if now == float("inf") else 0)
            while self.full_until is not None:
                # A server that was killed meanwhile is back with its own limit; a paused one is asked again later.
                with contextlib.suppress(redis.RedisError):
                    self.valkey.config_set("maxmemory", self.maxmemory)
                    self.full_until = None
                if time.monotonic() >= deadline:
                    break
                self.over.wait(0.1)
