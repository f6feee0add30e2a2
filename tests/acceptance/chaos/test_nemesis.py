"""Whatever dies, a job that was answered with 202 ends, once, and with its own image."""

import os
import threading
import time

import findings
import psutil
import pytest
from clients import Client, Watcher
from nemesis import Nemesis

CLIENTS = 6


def chaos(stack, *, jobs, seconds, seed, pause_seconds):
    """Runs clients against a nemesis until the jobs are done or the time is over. Returns table and findings."""
    redis_url = psutil.Process(stack.process.pid).environ()["REDIS_URL"]
    over = threading.Event()
    share = -(-jobs // CLIENTS)
    clients = [Client(stack.url, seed, first=n, stride=CLIENTS, jobs=share, over=over) for n in range(CLIENTS)]
    nemesis, watcher = Nemesis(stack, seed, pause_seconds=pause_seconds), Watcher(redis_url)
    end = time.monotonic() + seconds
    for thread in (watcher, nemesis, *clients):
        thread.start()
    for client in clients:
        client.join(max(0, end - time.monotonic()))
    nemesis.stop()
    over.set()
    for client in clients:
        client.join(150)
    stack.wait_until(stack.ready)
    notes = [note for client in clients for note in client.notes]
    findings.settle(stack, notes, 120)
    wrong, redrawn = findings.redraw(stack, notes)
    found = [f"client: {line}" for client in clients for line in client.unexpected]
    found += [f"{note.ids}: {line}" for note in notes for line in findings.of_note(note)]
    found += [f"{note.ids}: an image that is not its own" for note in wrong]
    stack.wait_until(
        lambda: all(
            watcher.events.get(i, [("", 0)])[-1][0] in findings.TERMINAL for note in notes if note.end for i in note.ids
        ),
        seconds=30,
    )
    watcher.stop()
    found += [f"{job_id}: {line}" for job_id, moves in watcher.events.items() for line in findings.of_events(moves)]
    found += findings.left_over(watcher.client)
    for connection in (watcher.client, nemesis.valkey, *(client.http for client in clients)):
        connection.close()
    stack.stop()
    found += [f"leaked: {process.pid} {' '.join(process.cmdline())}" for process in stack.everything()]
    print("\n" + findings.table(nemesis.faults, notes, found, redrawn), flush=True)
    return nemesis, notes, found


def test_a_short_run(new_stack):
    nemesis, notes, found = chaos(new_stack(), jobs=600, seconds=30, seed=7, pause_seconds=(2, 12))
    assert found == []
    assert len(notes) >= 5
    assert len(nemesis.faults) >= 5


@pytest.mark.chaos
@pytest.mark.timeout(int(os.environ.get("CHAOS_SECONDS", "300")) + 900)
def test_the_long_run(new_stack):
    """`make chaos JOBS=... SECONDS=... SEED=...`."""
    jobs, seconds, seed = (int(os.environ[f"CHAOS_{name}"]) for name in ("JOBS", "SECONDS", "SEED"))
    _, _, found = chaos(new_stack(), jobs=jobs, seconds=seconds, seed=seed, pause_seconds=(2, 30))
    assert found == []
