"""Clients that record every answer: they submit, retry blindly under their key, poll, wait, cancel, and come back."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import redis

TERMINAL = ("succeeded", "failed", "canceled", "expired")
PROMPTS = ("a red fox head", "a green leaf", "a blue star", "an orange sun", "a black cat")
# The number of different drawings. Each is drawn once more after the run; jobs that run together always differ.
DRAWINGS = 200
# What is asked for beside plain PNGs; most jobs ask for nothing.
OUTPUTS = (
    *({},) * 5,
    {"formats": ["png", "webp"]},
    {"formats": ["jpeg"], "quality": 80},
    {"formats": ["svg"], "transparent": True},
    {"formats": ["webp", "svg"], "transparent": True, "icons": True},
)


@dataclass
class Note:
    """What a client has been told about a job."""

    body: dict
    key: str
    api_key: str = ""
    ids: set = field(default_factory=set)  # more than one: the key made two jobs
    seen: list = field(default_factory=list)  # (status, attempt) of each answer
    images: set = field(default_factory=set)  # the 64.png as base64; more than one: it changed
    listed: set = field(default_factory=set)  # the files of each answer, by name and bytes; more than one: they changed
    files: dict = field(default_factory=dict)  # by name, the set of the data that came, as base64
    failures: set = field(default_factory=set)  # warnings of steps that failed
    early: list = field(default_factory=list)  # expiries of images that were gone too soon
    expires_at: str = ""
    cancel_accepted: bool = False  # a DELETE was answered: it will be canceled
    end: dict = field(default_factory=dict)

    @property
    def id(self):
        return next(iter(self.ids))

    @property
    def drawing(self):
        return tuple(sorted((name, str(value)) for name, value in self.body.items() if name != "deadline_seconds"))


def body(seed, number):
    """The request with this number. Numbers that are equal modulo DRAWINGS ask for the same image."""
    chosen = random.Random(f"{seed}-{number % DRAWINGS}")
    return {
        "prompt": chosen.choice(PROMPTS),
        "sizes": [64],
        "seed": chosen.getrandbits(32),
        "steps": chosen.randint(1, 4),
    } | chosen.choice(OUTPUTS)


def keep(note, job):
    """Notes what an answer has of the job's images and files."""
    if job.get("images"):
        note.images.add(job["images"]["64"])
    if job["status"] == "succeeded":
        note.listed.add(tuple((file["name"], file["bytes"]) for file in job["files"]))
        note.failures |= {warning["message"] for warning in job["warnings"] if warning["code"].endswith("_failed")}
    for file in job["files"]:
        if file["data"]:
            note.files.setdefault(file["name"], set()).add(file["data"])


class Client(threading.Thread):
    """Submits the requests `first`, `first + stride`, ... until `over` is set or `jobs` are done."""

    def __init__(self, url, seed, *, first, stride, jobs, over, api_key):
        super().__init__(name=f"client-{first}", daemon=True)
        self.seed = seed
        self.random = random.Random(f"{seed}-client-{first}")
        self.api_key = api_key
        headers = {"X-API-Key": api_key}
        self.http = httpx.Client(base_url=url, timeout=httpx.Timeout(8, connect=2), headers=headers)
        self.numbers = range(first, first + stride * jobs, stride)
        self.over = over
        self.notes = []
        self.unexpected = []  # answers outside the contract

    def run(self):
        for number in self.numbers:
            if self.over.is_set():
                return
            note = Note(body(self.seed, number), f"chaos-{number}", self.api_key)
            if self.random.random() < 0.1:
                note.body["deadline_seconds"] = self.random.randint(2, 30)
            if self._submit(note):
                self.notes.append(note)
                self._follow(note)
                self._look(self.random.choice(self.notes))

    def _submit(self, note):
        headers = {"Idempotency-Key": note.key}
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            answer = self._ask("POST", "/api/jobs", json=note.body, headers=headers)
            if answer is not None and answer.status_code in (200, 202):
                note.ids.add(answer.json()["id"])
                # One in ten times the client acts as if the answer were lost, and submits again.
                if self.random.random() < 0.9:
                    return True
        return bool(note.ids)

    def _follow(self, note):
        cancels = self.random.random() < 0.1
        leaves = self.random.random() < 0.1
        until = time.monotonic() + (1 if leaves else 60)
        while time.monotonic() < until and not self.over.is_set():
            if cancels and self.random.random() < 0.5:
                self._look(note, "DELETE")
            elif self.random.random() < 0.7:
                self._look(note, params={"wait": 5, "include": self.random.choice(["images", "files"])})
            else:
                self._look(note)
                self.over.wait(0.2)
            if note.seen and note.seen[-1][0] in TERMINAL and self.random.random() < 0.8:
                return

    def _look(self, note, method="GET", **options):
        answer = self._ask(method, f"/api/jobs/{note.id}", **options)
        if answer is None:
            return
        if answer.status_code == 410:
            # Without an earlier answer the client knows of no expiry.
            if note.expires_at and datetime.fromisoformat(note.expires_at) > datetime.now(UTC) + timedelta(seconds=1):
                note.early.append(note.expires_at)
            return
        job = answer.json()
        note.seen.append((job["status"], job["attempt"]))
        note.cancel_accepted |= method == "DELETE" and job["cancel_requested"] and job["status"] not in TERMINAL
        note.expires_at = job["expires_at"] or ""
        keep(note, job)

    def _ask(self, method, path, **options):
        """The answer, or None if there was none or a 503; then the caller asks again."""
        try:
            answer = self.http.request(method, path, **options)
        except httpx.TransportError:
            self.over.wait(0.2)
            return None
        if answer.is_success or answer.status_code == 410:
            return answer
        if answer.status_code not in (429, 503):
            self.unexpected.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        self.over.wait(0.2)
        return None


class Watcher(threading.Thread):
    """Reads the ledger's events stream from the first event on."""

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
