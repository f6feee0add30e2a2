"""Whatever process dies, a job that was answered with 202 ends once, with its own image."""

import collections
import os
import threading
import time
from pathlib import Path

import accounts
import findings
import pytest
import recovery
import report
import tenants
import watched
from clients import TERMINAL, Client, Watcher
from memory import Memory
from nemesis import PARTS, Nemesis
from object_store import ObjectStore
from watchman import ENV, Watchman

PROGRESS_SECONDS = 30
JOBS = Path("out/chaos-jobs.jsonl")  # of a run with a finding of shares
# Short, so that images expire while clients still come back for them.
RESULT_TTL_SECONDS = "300"
# Two, so that a worker paused past its lease comes back while another draws its job.
WORKERS = {"GENERATE_WORKERS": "2"}


def storm(stack, *, clients, jobs, seconds, seed, gap_seconds, pause_seconds, store=None, watchman=None):
    """Clients against a nemesis until the jobs are done or the time is over."""
    over = threading.Event()
    share = -(-jobs // clients)
    keys = [tenants.MANY if n % 4 else tenants.FEW for n in range(clients)]
    clients = [
        Client(stack.url, seed, first=n, stride=clients, jobs=share, over=over, api_key=key)
        for n, key in enumerate(keys)
    ]
    nemesis = Nemesis(stack, seed, gap_seconds=gap_seconds, pause_seconds=pause_seconds, store=store)
    memory = Memory(stack, PARTS)
    start = time.monotonic()
    for thread in (memory, nemesis, *clients, *([watchman] if watchman else [])):
        thread.start()
    said = start
    while any(client.is_alive() for client in clients) and time.monotonic() - start < seconds:
        over.wait(1)
        if time.monotonic() - said >= PROGRESS_SECONDS:
            said = time.monotonic()
            print(
                f"{said - start:5.0f} s: {sum(nemesis.faults.values())} faults, "
                f"{sum(len(client.notes) for client in clients)} jobs",
                flush=True,
            )
    nemesis.stop()
    if watchman:
        watchman.stop()
    over.set()
    memory.stop()
    for client in clients:
        client.join(150)
    return clients, nemesis, memory


def _of_watch(stack, watchman, watcher):
    """The report's lines and the findings of what /watch showed."""
    seen, excused = watched.Seen(watchman.samples), collections.Counter()
    late, found = watched.of_ends(seen, watched.ends_of_log(stack, watcher.events), excused)
    found += watched.of_acts(seen, watchman.acts, stack, watcher.client)
    return list(watched.report(late, excused, watchman.acts, watchman.samples)), found


def chaos(stack, *, rounds, watchman=None, **options):
    """Runs clients and faults, then checks what is left. Prints the report; returns its parts."""
    stack.http.headers["X-API-Key"] = tenants.OWN
    watcher = Watcher(stack.redis_url)
    watcher.start()
    clients, nemesis, memory = storm(stack, watchman=watchman, **options)
    notes = [note for client in clients for note in client.notes]
    stack.wait_until(stack.ready)
    findings.settle(stack, notes, 120)
    findings.fetch(stack, notes)
    wrong, compared, drawings = findings.redraw(stack, notes)
    recovered = recovery.drill(stack, rounds) if rounds else {}
    stack.wait_until(lambda: all(note.id in watcher.events for note in notes), seconds=30)
    # The greedy neighbour's jobs have no notes.
    stack.wait_until(lambda: all(moves[-1][0] in TERMINAL for moves in list(watcher.events.values())), seconds=120)
    watcher.stop()
    found = [f"client: {line}" for client in (*clients, *nemesis.greedy, *nemesis.bursts) for line in client.unexpected]
    for note in notes:
        found += [f"{note.ids}: {line}" for line in findings.of_note(note)]
        found += [f"{note.ids}: {line}" for line in findings.of_both(note, watcher.events.get(note.id))]
    found += [f"{note.ids}: an image that is not its own" for note in wrong]
    found += [f"{job_id}: {line}" for job_id, moves in watcher.events.items() for line in findings.of_events(moves)]
    found += findings.left_over(watcher.client)
    found += accounts.of_usage(watcher.client)
    if unfair := list(accounts.of_shares(watcher.client)):
        found += unfair
        accounts.keep(watcher.client, JOBS)
    looked, of_watch = _of_watch(stack, watchman, watcher) if watchman else ([], [])
    found += of_watch
    for connection in (watcher.client, nemesis.valkey, stack.http, *(client.http for client in clients)):
        connection.close()
    found += findings.held_calls(stack)
    found += findings.held_connections(stack)
    stack.stop()
    found += [f"leaked: {process.pid} {' '.join(process.cmdline())}" for process in stack.everything()]
    lines = [
        report.circumstances(options["seed"], options["seconds"]),
        "",
        *report.faults(nemesis.faults),
        *report.bursts(nemesis.bursts),
        "",
    ]
    lines += [*report.jobs(notes, compared, drawings), "", *report.recovery(recovered, recovery.GOALS), ""]
    lines += [*report.memory(memory.growth()), "", *looked, f"{len(found)} findings", *found]
    print("\n" + "\n".join(lines), flush=True)
    return nemesis, notes, recovered, found, compared


@pytest.fixture
def store(request, tmp_path):
    """What the nemesis may strike of the store of the images, by the fixture's parameter; and the stack's settings."""
    kind = getattr(request, "param", "redis")
    if kind != "s3":
        yield None, {"RESULT_STORE": f"file://{tmp_path}/results" if kind == "file" else "redis"}
        return
    found = ObjectStore(request.getfixturevalue("s3"))
    yield found, found.env
    found.close()


@pytest.mark.parametrize("store", ["redis", pytest.param("s3", marks=pytest.mark.slow)], indirect=True)
def test_a_short_run(new_stack, store):
    nemesis, notes, _, found, _ = chaos(
        new_stack(RESULT_TTL_SECONDS="10", **WORKERS, **tenants.ENV, **store[1]),
        clients=12,
        jobs=600,
        seconds=15,
        seed=7,
        rounds=0,
        gap_seconds=(0.5, 2),
        pause_seconds=(1, 5),
        store=store[0],
    )
    assert found == []
    assert len(notes) >= 5
    assert len(nemesis.faults) >= 5


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.timeout(900)
def test_a_minute_under_an_operators_eyes(new_stack):
    stack = new_stack(RESULT_TTL_SECONDS=RESULT_TTL_SECONDS, **WORKERS, **tenants.ENV, **ENV)
    watchman = Watchman(stack, 7)
    _, _, _, found, _ = chaos(
        stack,
        clients=12,
        jobs=2000,
        seconds=60,
        seed=7,
        rounds=0,
        gap_seconds=(2, 5),
        pause_seconds=(2, 8),
        watchman=watchman,
    )
    assert found == []
    # What a minute has for certain: a worker, and a job that failed.
    assert {act.action for act in watchman.acts if act.status == 200} >= {"pause", "requeue"}


@pytest.mark.chaos
@pytest.mark.timeout(int(os.environ.get("CHAOS_SECONDS", "300")) + 1800)
@pytest.mark.parametrize("store", [os.environ.get("CHAOS_STORE", "redis")], indirect=True)
def test_the_long_run(new_stack, store):
    """`make chaos JOBS=... SECONDS=... SEED=... STORE=...`; FAULTS=0: no faults, so that processes live long;
    WATCH=1: an operator at /watch in a browser acts meanwhile.
    """
    jobs, seconds, seed, faults = (int(os.environ[f"CHAOS_{name}"]) for name in ("JOBS", "SECONDS", "SEED", "FAULTS"))
    watched_too = os.environ.get("CHAOS_WATCH", "0") != "0"
    stack = new_stack(
        RESULT_TTL_SECONDS=RESULT_TTL_SECONDS, **WORKERS, **tenants.ENV, **(ENV if watched_too else {}), **store[1]
    )
    _, notes, recovered, found, compared = chaos(
        stack,
        clients=40,
        jobs=jobs,
        seconds=seconds,
        seed=seed,
        gap_seconds=(2, 7) if faults else (seconds, seconds),
        pause_seconds=(5, 30),
        rounds=3,
        store=store[0],
        watchman=Watchman(stack, seed) if watched_too else None,
    )
    assert found == []
    # A run without these has shown nothing.
    assert any(note.end["status"] == "succeeded" for note in notes)
    assert compared > 0
    late = [name for name, seconds in recovered.items() if max(seconds) > recovery.GOALS[name]]
    assert late == []
