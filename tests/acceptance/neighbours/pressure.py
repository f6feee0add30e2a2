"""The worst that one key can do to a stack, all at once: parallel large GETs, slow readers, submits that are canceled,
held calls, webhooks to a receiver that never answers.
"""

import asyncio
import contextlib
import socket
import threading
import time
from collections import Counter
from urllib.parse import urlsplit

import httpx

FETCHERS, SLOW_READERS, CANCELERS, WAITERS, DEAD_WEBHOOKS = 4, 10, 2, 300, 60
BODY = {"prompt": "a red fox", "sizes": [64]}


class Pressure:
    """A context manager: the pressure lasts as long as the context. `answers` counts what its calls got."""

    def __init__(self, stack, key, large_id):
        """`large_id`: a job of this key that has succeeded, whose images are fetched."""
        self._url, self._headers, self._large_id = stack.url, {"X-API-Key": key}, large_id
        self._over = threading.Event()
        self._dead = socket.create_server(("127.0.0.1", 0))  # accepts and never answers
        self._aimed = 0
        self._waited_for = ""
        self.answers = Counter()
        works = [self._fetch] * FETCHERS + [self._read_slowly] * SLOW_READERS + [self._cancel] * CANCELERS
        works += [self._keep_one_unended, lambda: asyncio.run(self._wait())]
        self._threads = [threading.Thread(target=self._repeat, args=(work,), daemon=True) for work in works]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join(60)
        self._dead.close()

    def _repeat(self, work):
        while not self._over.is_set():
            with contextlib.suppress(OSError, httpx.HTTPError):
                work()

    def _ask(self, http, method, path, **options):
        response = http.request(method, path, **options)
        self.answers[f"{method} {response.status_code}"] += 1
        return response

    def _client(self):
        return httpx.Client(base_url=self._url, headers=self._headers, timeout=30)

    def _fetch(self):
        with self._client() as http:
            while not self._over.is_set():
                self._ask(http, "GET", f"/api/jobs/{self._large_id}")

    def _read_slowly(self):
        where = urlsplit(self._url)
        head = f"GET /api/jobs/{self._large_id} HTTP/1.1\r\nHost: t\r\nX-API-Key: {self._headers['X-API-Key']}\r\n\r\n"
        with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(head.encode())
            while connection.recv(1024) and not self._over.wait(0.2):
                pass

    def _cancel(self):
        with self._client() as http:
            while not self._over.is_set():
                self._aimed += 1
                aimed = self._aimed <= DEAD_WEBHOOKS
                hook = {"webhook_url": f"http://127.0.0.1:{self._dead.getsockname()[1]}/"} if aimed else {}
                made = self._ask(http, "POST", "/api/jobs", json=BODY | hook)
                if made.status_code == 202:
                    self._ask(http, "DELETE", f"/api/jobs/{made.json()['id']}")
                else:
                    self._over.wait(1)

    def _keep_one_unended(self):
        """So that the held calls have a job to wait for. It is of low priority: nobody's job is drawn after it."""
        with self._client() as http:
            made = self._ask(http, "POST", "/api/jobs", json=BODY | {"steps": 20, "priority": "low"})
            if made.status_code == 202:
                self._waited_for = made.json()["id"]
                self._ask(http, "GET", f"/api/jobs/{self._waited_for}", params={"wait": 20, "include": "none"})
            else:
                self._over.wait(1)

    async def _wait(self):
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=self._url, headers=self._headers, timeout=40, limits=limits) as http:

            async def hold():
                while not self._over.is_set():
                    with contextlib.suppress(httpx.HTTPError):
                        wait = {"wait": 5, "include": "none"}
                        response = await http.get(f"/api/jobs/{self._waited_for}", params=wait)
                        self.answers[f"held {response.status_code}"] += 1
                    await asyncio.sleep(0.2)

            await asyncio.gather(*(hold() for _ in range(WAITERS)))


class Neighbour(threading.Thread):
    """A key that submits, polls and gets webhooks as an app does. `seconds` has what each took, by its name."""

    def __init__(self, stack, key, receiver, seconds):
        super().__init__(daemon=True)
        self._http = httpx.Client(base_url=stack.url, headers={"X-API-Key": key}, timeout=60)
        self._receiver = receiver
        self._until = time.monotonic() + seconds
        self.seconds = {"submit": [], "poll": [], "webhook": []}
        self.findings = []

    def run(self):
        with self._http:
            while time.monotonic() < self._until:
                try:
                    self._draw()
                except httpx.HTTPError as error:
                    self.findings.append(repr(error))

    def _ask(self, name, method, path, **options):
        start = time.monotonic()
        response = self._http.request(method, path, **options)
        self.seconds[name].append(time.monotonic() - start)
        if response.status_code not in (200, 202):
            self.findings.append(f"{method} {path}: {response.status_code} {response.text[:200]}")
        return response.json()

    def _draw(self):
        body = BODY | {"steps": 1, "webhook_url": self._receiver.url}
        job = self._ask("submit", "POST", "/api/jobs", json=body)
        position = None
        while job.get("status") in ("queued", "running", "finishing"):
            time.sleep(0.2)
            job = self._ask("poll", "GET", f"/api/jobs/{job['id']}", params={"include": "none"})
            before, position = position, job.get("queue_position")
            if before and position and position > before:
                self.findings.append(f"{job['id']} went from place {before} to {position}")
        if job.get("status") != "succeeded":
            self.findings.append(f"ended: {job}")
        elif waited := self._receiver.waited(job["id"], 60):
            self.seconds["webhook"].append(waited)
        else:
            self.findings.append(f"{job['id']}: no webhook within 60 s")
