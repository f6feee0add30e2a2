"""What must hold when the faults are over: from the clients' notes, the events and the ledger."""

from __future__ import annotations

import collections
import itertools
from concurrent.futures import ThreadPoolExecutor

from clients import TERMINAL

from shared.jobs import TRANSITIONS, JobStatus
from shared.ledger import LEASES, MAX_ATTEMPTS, QUEUED


def settle(stack, notes, seconds):
    """Every job's end, from the quiet stack; a job without one keeps an empty `end`."""
    for note in notes:
        try:
            note.end = stack.end_of(next(iter(note.ids)), seconds=seconds)
        except AssertionError:
            seconds = 1  # the time was for all of them


def of_note(note):
    """The findings about one job, from what its client was told."""
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
    if note.image and note.end.get("images") and note.image != note.end["images"]["64"]:
        yield "its image changed"
    if note.end["status"] == "failed" and note.end["error"]["code"] != "poison":
        yield f"failed: {note.end['error']}"


def _first_end(seen):
    return next((at for at, (status, _) in enumerate(seen) if status in TERMINAL), len(seen))


def of_events(moves):
    """The findings about one job, from its events."""
    ends = [status for status, _ in moves if status in TERMINAL]
    if len(ends) != 1 or moves[-1][0] not in TERMINAL:
        yield f"not exactly one terminal event: {moves}"
    for (before, _), (after, _) in itertools.pairwise(moves):
        if before != after and JobStatus(after) not in TRANSITIONS[JobStatus(before)]:
            yield f"a move that the table does not have: {before} -> {after}"
    if [attempt for _, attempt in moves] != sorted(attempt for _, attempt in moves):
        yield f"an attempt went back: {moves}"


def redraw(stack, notes):
    """Draws every finished image once more; those that differ belong to another job, or to none."""
    done = [note for note in notes if note.end.get("images")]

    def again(note):
        return stack.end_of(stack.submit(**note.body)["id"], seconds=240)["images"]["64"]

    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(again, done))
    return [note for note, image in zip(done, images, strict=True) if note.end["images"]["64"] != image], len(done)


def left_over(client):
    """What the ledger may not hold once every job has ended."""
    for name in (LEASES, QUEUED):
        if left := client.zrange(name, 0, -1):
            yield f"left in {name}: {left}"
    if pixels := list(client.scan_iter("logo:pixels:*", count=1000)):
        yield f"raw pixels left: {pixels}"


def table(faults, notes, found, redrawn):
    ends = collections.Counter(
        "failed (poison)" if note.end.get("status") == "failed" else note.end.get("status", "stuck") for note in notes
    )
    lines = [f"{'fault':<24}{'times':>6}", *(f"{name:<24}{count:>6}" for name, count in sorted(faults.items()))]
    lines += [f"{'all, ' + str(len(faults)) + ' kinds':<24}{sum(faults.values()):>6}", ""]
    lines += [f"{'jobs answered with 202':<24}{len(notes):>6}"]
    lines += [f"{'  ' + name:<24}{count:>6}" for name, count in sorted(ends.items())]
    lines += [f"{'redrawn and compared':<24}{redrawn:>6}", f"{'findings':<24}{len(found):>6}", *found]
    return "\n".join(lines)
