"""Checks what must hold once the faults are over, by the clients' notes, the events and the ledger."""

from __future__ import annotations

import base64
import contextlib
import io
import itertools
import re
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
from clients import TERMINAL, keep
from PIL import Image

from shared.jobs import TRANSITIONS, JobStatus
from shared.ledger.keys import DEADLINES, LANES, LEASES, OWN_QUEUED, QUEUED, TURNS
from shared.ledger.moves import MAX_ATTEMPTS


def settle(stack, notes, seconds):
    """Waits until every job of the notes has ended, and sets their ends. Gives up when none has ended for `seconds`:
    a greedy neighbour may have left many to be drawn.
    """
    deadline = time.monotonic() + seconds
    for note in notes:
        while not note.end:
            with _as_its_owner(stack, note):
                job = stack.get(note.id, wait=10, include="none")
            if job["status"] in TERMINAL:
                note.end, deadline = job, time.monotonic() + seconds
            elif time.monotonic() > deadline:
                break


@contextlib.contextmanager
def _as_its_owner(stack, note):
    before = stack.http.headers["X-API-Key"]
    stack.http.headers["X-API-Key"] = note.api_key
    try:
        yield
    finally:
        stack.http.headers["X-API-Key"] = before


def fetch(stack, notes):
    """Fetches the images and files that no client has fetched and that have not expired."""
    for note in notes:
        if note.end.get("status") == "succeeded" and not (note.images and len(note.files) == len(note.end["files"])):
            with _as_its_owner(stack, note):
                answer = stack.http.get(f"/api/jobs/{note.id}", params={"include": "files"})
            if answer.is_success:
                keep(note, answer.json())


def of_note(note):
    """The findings about one job, from its client's notes."""
    if len(note.ids) != 1:
        yield "doubled: one key made two jobs"
    if not note.end:
        yield "stuck: no terminal state"
        return
    ends = [status for status, _ in note.seen if status in TERMINAL] + [note.end["status"]]
    if len(set(ends)) > 1:
        yield f"a terminal state changed: {ends}"
    if any(status not in TERMINAL for status, _ in note.seen[_first_end(note.seen) :]):
        yield f"left a terminal state: {note.seen}"
    if max([note.end["attempt"], *(attempt for _, attempt in note.seen)]) > MAX_ATTEMPTS:
        yield "more than three attempts"
    if note.end["status"] == "failed" and note.end["error"]["code"] != "poison":
        yield f"failed: {note.end['error']}"
    if note.cancel_accepted and note.end["status"] == "succeeded":
        yield "a cancel that was accepted is lost"
    if note.end["status"] == "expired" and "deadline_seconds" not in note.body:
        yield "expired without a deadline"
    yield from _of_images(note)


def _of_images(note):
    if len(note.images) > 1:
        yield "its image changed"
    if len(note.listed) > 1:
        yield f"the list of its files changed: {note.listed}"
    for name, data in note.files.items():
        if len(data) > 1:
            yield f"its {name} changed"
        if len(base64.b64decode(next(iter(data)))) != dict(next(iter(note.listed)))[name]:
            yield f"its {name} has other bytes than the job says"
    if note.failures:
        yield f"a step failed: {note.failures}"
    if note.images and note.end["status"] != "succeeded":
        yield f"an image, and {note.end['status']}"
    if note.early:
        yield f"its images were gone before {note.early}"


def _first_end(seen):
    return next((at for at, (status, _) in enumerate(seen) if status in TERMINAL), len(seen))


def of_events(moves):
    """The findings about one job, from its events."""
    ends = [status for status, _ in moves if status in TERMINAL]
    if len(ends) != 1 or moves[-1][0] not in TERMINAL:
        yield f"not exactly one terminal event, at the end: {moves}"
    for (before, _), (after, _) in itertools.pairwise(moves):
        if before != after and JobStatus(after) not in TRANSITIONS[JobStatus(before)]:
            yield f"a move that the table does not have: {before} -> {after}"
    if [attempt for _, attempt in moves] != sorted(attempt for _, attempt in moves):
        yield f"an attempt went back: {moves}"
    if moves[-1][1] > MAX_ATTEMPTS:
        yield f"more than three attempts: {moves}"


def of_both(note, moves):
    """Findings where the client and the ledger disagree."""
    told, wrote = note.end.get("status"), moves[-1][0] if moves else "nothing"
    if told and told != wrote:
        yield f"the client was told {told}, the events say {wrote}"


def redraw(stack, notes):
    """Draws each image once more, alone. One that differs, it or a file of it, belongs to another job, or to none."""
    drawn = {note.drawing: note for note in notes if note.images}

    def again(note):
        submitted = stack.submit(**{name: value for name, value in note.body.items() if name != "deadline_seconds"})
        stack.end_of(submitted["id"], seconds=600)
        job = stack.get(submitted["id"], include="files")
        return {"64.png": job["images"]["64"]} | {file["name"]: file["data"] for file in job["files"]}

    with ThreadPoolExecutor(8) as pool:
        expected = dict(zip(drawn, pool.map(again, drawn.values()), strict=True))
    compared = [note for note in notes if note.images]
    wrong = [note for note in compared if not _shows(note, expected[note.drawing])]
    return wrong, len(compared), len(expected)


def _shows(note, expected):
    """Whether all data that came to a client shows what was drawn once more. Files that nobody fetched do not count."""
    found = {"64.png": note.images} | note.files
    if note.files and found.keys() != expected.keys():
        return False
    return all(
        {_content(name, one) for one in data} == {_content(name, expected[name])} for name, data in found.items()
    )


def _content(name, encoded):
    """What a file shows: signatures, and the times in them, differ each time."""
    data = base64.b64decode(encoded)
    if name.endswith(".svg"):
        return re.sub(rb"(?s)<metadata.*?</metadata>", b"", data)
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as bundle:
            return tuple((entry, bundle.read(entry)) for entry in bundle.namelist())
    with Image.open(io.BytesIO(data)) as image:
        return image.mode, image.tobytes()


def left_over(client):
    """Findings of what the ledger must not hold once every job has ended."""
    for name in (LEASES, QUEUED, DEADLINES):
        if left := client.zrange(name, 0, -1):
            yield f"left in {name}: {left}"
    for pattern in (f"{OWN_QUEUED}:*", f"{LANES}:*", f"{TURNS}:*", "logo:pixels:*"):
        if left := list(client.scan_iter(pattern, count=1000)):
            yield f"left: {left}"


def held_calls(stack, seconds=10):
    """Findings of calls that wait in the API although every job has ended and every client has gone."""
    deadline = time.monotonic() + seconds
    while True:
        held = [
            line for line in httpx.get(f"{stack.url}/metrics").text.splitlines() if line.startswith("logo_waiters ")
        ]
        if held == ["logo_waiters 0.0"]:
            return []
        if time.monotonic() > deadline:
            return [f"the API still holds calls: {held}"]
        time.sleep(0.2)


def held_connections(stack, seconds=10):
    """Findings of connections that the API holds although every client has gone: a forgotten waiter holds one."""
    port, deadline = httpx.URL(stack.url).port, time.monotonic() + seconds
    while True:
        held = [
            connection
            for process in stack.processes("api.main")
            for connection in process.net_connections("tcp")
            if connection.status == psutil.CONN_ESTABLISHED and connection.laddr.port == port
        ]
        if not held or time.monotonic() > deadline:
            return [f"the API still holds {connection.raddr}" for connection in held]
        time.sleep(0.2)
