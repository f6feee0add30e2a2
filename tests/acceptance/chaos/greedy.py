"""A tenant that does the worst it can, for some seconds at a time, beside the other clients. Each burst begins with
more jobs than the cards draw in that time.
"""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
from tenants import GREEDY

LARGE = {"prompt": "a golden crown", "sizes": [2048], "steps": 1, "num_images": 2}
SMALL = {"prompt": "a grey stone", "sizes": [64], "steps": 1}
FLOOD = 100
SUBMITS, WAITS, GETS, SLOW_READERS = 100, 40, 10, 5
# Answers that a server may give to one who asks for too much. Images of an earlier burst may have expired.
REFUSALS = (409, 410, 429, 503)


class Greedy(threading.Thread):
    """Submits and cancels, waits, fetches large images at once and reads some of them slowly, for `seconds`."""

    def __init__(self, url, seed, seconds):
        super().__init__(name="greedy", daemon=True)
        self.url, self.until = httpx.URL(url), time.monotonic() + seconds
        self.random = random.Random(seed)
        self.unexpected = []  # answers outside the contract

    def run(self):
        tasks = [self._cancel] * 4 + [self._wait] * WAITS + [self._fetch] * GETS + [self._read_slowly] * SLOW_READERS
        with httpx.Client(
            base_url=self.url, timeout=httpx.Timeout(10, connect=2), limits=_LIMITS, headers={"X-API-Key": GREEDY}
        ) as self.http:
            large = self._submit(LARGE)
            for _ in range(FLOOD):
                self._submit(SMALL)
            with ThreadPoolExecutor(len(tasks)) as pool:
                for task in tasks:
                    pool.submit(self._again, task, large)

    def _again(self, task, large):
        while time.monotonic() < self.until:
            with contextlib.suppress(httpx.HTTPError, OSError):
                task(large)
            time.sleep(0.05)

    def _cancel(self, _):
        for _ in range(SUBMITS // 4):
            if (job_id := self._submit(SMALL | {"priority": "high"})) is None or time.monotonic() > self.until:
                return
            self._ask("DELETE", f"/api/jobs/{job_id}")

    def _wait(self, large):
        self._ask("GET", f"/api/jobs/{large}", params={"wait": 5, "include": "none"})

    def _fetch(self, large):
        self._ask("GET", f"/api/jobs/{large}")

    def _read_slowly(self, large):
        with socket.create_connection((self.url.host, self.url.port), timeout=2) as raw:
            head = f"GET /api/jobs/{large} HTTP/1.1\r\nHost: t\r\nX-API-Key: {GREEDY}\r\nConnection: close\r\n\r\n"
            raw.sendall(head.encode())
            while time.monotonic() < self.until and raw.recv(1024):
                time.sleep(0.1)

    def _submit(self, body):
        answer = self._ask("POST", "/api/jobs", json=body | {"seed": self.random.getrandbits(32)})
        return answer.json()["id"] if answer is not None and answer.is_success else None

    def _ask(self, method, path, **options):
        """The answer, or None without one."""
        with contextlib.suppress(httpx.TransportError):
            answer = self.http.request(method, path, **options)
            known = answer.is_success or answer.status_code in REFUSALS or path.endswith("/None")
            if not known:
                self.unexpected.append(f"greedy: {method} {path}: {answer.status_code} {answer.text[:200]}")
            return answer
        return None


_LIMITS = httpx.Limits(max_connections=None)
