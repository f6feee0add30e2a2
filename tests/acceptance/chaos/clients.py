"""Clients that note all that they are told: they submit, retry blindly under their key, poll, wait and cancel."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from dataclasses import dataclass, field

import httpx
import redis

TERMINAL = ("succeeded", "failed", "canceled", "expired")
PROMPTS = ("a red fox head", "a green leaf", "a blue star", "an orange sun", "a black cat")


@dataclass
class Note:
    """What one client knows of one job."""

    body: dict
    ids: set = field(default_factory=set)  # more than one: the key made two jobs
    seen: list = field(default_factory=list)  # (status, attempt) as they were answered
    canceled: bool = False  # a DELETE was answered with 200
    image: str = ""
    end: dict = field(default_factory=dict)


class Client(threading.Thread):
    """Submits jobs with seeds `first, first + stride, ...` until `over` is set or `jobs` are done."""

    def __init__(self, url, seed, *, first, stride, jobs, over):
        super().__init__(name=f"client-{first}", daemon=True)
        self.random = random.Random(f"{seed}-{first}")
        self.http = httpx.Client(base_url=url, timeout=httpx.Timeout(8, connect=2))
        self.seeds = range(first, first + stride * jobs, stride)
        self.over = over
        self.notes = []
        self.unexpected = []  # answers that the contract does not know

    def run(self):
        for seed in self.seeds:
            if self.over.is_set():
                return
            note = Note(
                {"prompt": self.random.choice(PROMPTS), "sizes": [64], "seed": seed, "steps": self.random.randint(1, 4)}
            )
            if self._submit(note):
                self.notes.append(note)
                self._follow(note)

    def _submit(self, note):
        headers = {"Idempotency-Key": f"chaos-{note.body['seed']}"}
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            answer = self._ask("POST", "/api/jobs", json=note.body, headers=headers)
            if answer is not None and answer.status_code in (200, 202):
                note.ids.add(answer.json()["id"])
                # Now and then a client that saw its answer and forgot it.
                if self.random.random() < 0.9:
                    return True
        return bool(note.ids)

    def _follow(self, note):
        path = f"/api/jobs/{next(iter(note.ids))}"
        cancels = self.random.random() < 0.15
        leaves = self.random.random() < 0.1
        until = time.monotonic() + (1 if leaves else 60)
        while time.monotonic() < until and not self.over.is_set():
            if cancels and self.random.random() < 0.5:
                answer = self._ask("DELETE", path)
                note.canceled = note.canceled or answer is not None
            elif self.random.random() < 0.5:
                answer = self._ask("GET", path, params={"wait": 5})
            else:
                answer = self._ask("GET", path)
                self.over.wait(0.2)
            if answer is None:
                continue
            job = answer.json()
            note.seen.append((job["status"], job["attempt"]))
            if job.get("images"):
                note.image = job["images"]["64"]
            if job["status"] in TERMINAL and self.random.random() < 0.7:
                return

    def _ask(self, method, path, **options):
        """The answer, or None where there was none or it was a 503: whoever gets None asks again."""
        try:
            answer = self.http.request(method, path, **options)
        except httpx.TransportError:
            self.over.wait(0.2)
            return None
        if answer.is_success:
            return answer
        if answer.status_code not in (429, 503):
            self.unexpected.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        self.over.wait(0.2)
        return None


class Watcher(threading.Thread):
    """Its own reader of the events stream, from the first event on."""

    def __init__(self, redis_url):
        super().__init__(name="watcher", daemon=True)
        self.client = redis.Redis.from_url(redis_url, socket_timeout=3, socket_connect_timeout=1)
        self.over = threading.Event()
        self.events = {}  # job id -> [(status, attempt)], in the order of the stream
        self.last = "0-0"

    def run(self):
        while not self.over.is_set():
            with contextlib.suppress(redis.RedisError):
                for _, entries in self.client.xread({"logo:events": self.last}, count=500, block=1000):
                    for event_id, event in entries:
                        moves = self.events.setdefault(event[b"job_id"].decode(), [])
                        moves.append((event[b"status"].decode(), int(event[b"attempt"])))
                        self.last = event_id
                continue
            self.over.wait(0.2)

    def stop(self):
        self.over.set()
        self.join()
