"""What goes wrong: a seeded choice of faults against the processes of one stack."""

from __future__ import annotations

import collections
import contextlib
import random
import signal
import threading
import time

import psutil
import redis

GENERATE, FINISH, SWEEPER, API, VALKEY = (
    "worker.generate",
    "worker.finish.main",
    "worker.sweeper",
    "api.main",
    "valkey-server",
)
# Process, whether one of its children is meant, and how often: a generate worker takes seconds to load its model again.
TARGETS = {
    "generate child": (GENERATE, True, 2),
    "generate parent": (GENERATE, False, 1),
    "finish child": (FINISH, True, 3),
    "finish parent": (FINISH, False, 2),
    "sweeper": (SWEEPER, False, 2),
    "api": (API, False, 2),
    "valkey": (VALKEY, False, 1),
}


class Nemesis(threading.Thread):
    def __init__(self, stack, seed, *, gap_seconds=(0.5, 3.0), pause_seconds=(2, 30)):
        super().__init__(name="nemesis", daemon=True)
        self.stack = stack
        self.random = random.Random(seed)
        self.gap_seconds, self.pause_seconds = gap_seconds, pause_seconds
        self.over = threading.Event()
        self.faults = collections.Counter()
        self.paused = []  # (when to go on, process)
        self.full_until = None
        environ = psutil.Process(stack.process.pid).environ()
        self.valkey = redis.Redis.from_url(environ["REDIS_URL"], socket_timeout=1, socket_connect_timeout=1)
        self.maxmemory = environ.get("REDIS_MAXMEMORY", "2gb")
        choices = [(f"{a} {t}", w) for t, (_, _, w) in TARGETS.items() for a in ("SIGKILL", "SIGSTOP")]
        # A child's SIGTERM is its parent's business: a drain is asked of whole processes.
        choices += [(f"SIGTERM {t}", 1) for t, (_, inside, _) in TARGETS.items() if not inside]
        self.names, self.weights = zip(*choices, ("maxmemory", 2), strict=True)

    def run(self):
        while not self.over.wait(self.random.uniform(*self.gap_seconds)):
            self._end_what_is_due(time.monotonic())
            self.strike(self.random.choices(self.names, self.weights)[0])
        self._end_what_is_due(float("inf"))

    def stop(self):
        self.over.set()
        self.join()

    def strike(self, name):
        done = self._fill() if name == "maxmemory" else self._signal(*name.split(" ", 1))
        if done:
            self.faults[name] += 1

    def _signal(self, action, target):
        part, inside, _ = TARGETS[target]
        found = [p for p in self.stack.processes(part) if self._is_child(p) == inside]
        if not found or (action == "SIGSTOP" and any(found[0].pid == p.pid for _, p in self.paused)):
            return False
        process = self.random.choice(found)
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

    def _fill(self):
        if self.full_until is not None:
            return False
        with contextlib.suppress(redis.RedisError):
            self.valkey.config_set("maxmemory", 1)
            self.full_until = time.monotonic() + self.random.uniform(2, 10)
            return True
        return False

    def _end_what_is_due(self, now):
        for due, process in [item for item in self.paused if item[0] <= now]:
            self.paused.remove((due, process))
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGCONT)
        if self.full_until is not None and self.full_until <= now:
            deadline = time.monotonic() + (30 if now == float("inf") else 0)
            while self.full_until is not None:
                # A server that was killed meanwhile came back with its own limit; one that is paused is asked later.
                with contextlib.suppress(redis.RedisError):
                    self.valkey.config_set("maxmemory", self.maxmemory)
                    self.full_until = None
                if time.monotonic() >= deadline:
                    break
                self.over.wait(0.1)
