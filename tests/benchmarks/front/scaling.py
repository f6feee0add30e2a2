"""What grows with the queue, and what another process adds: the second part of `make bench-front`.

In CPU time of the API and of Redis, which other work on the machine changes little; each pair is measured in turns.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import redis
from load import drive, request
from servers import ROOT, api, valkey

from shared.jobs import Job, JobStatus
from shared.ledger import moves

WISH = json.dumps({"prompt": "a red fox head, geometric"}).encode()
SUBMIT = request("POST", "/api/jobs", WISH)
QUEUED, BATCH, TURNS, SUBMITS = 10_000, 500, 3, 300


def fill(client: redis.Redis, count: int) -> None:
    for start in range(0, count, BATCH):
        pipeline = client.pipeline(transaction=False)
        for number in range(start, start + BATCH):
            job = Job(id=f"queued-{number}", status=JobStatus.QUEUED, prompt="fox", sizes=(256, 512, 1024), seed=1)
            script, rest = moves.create(job, max_queue=count + 1).call()
            pipeline.eval(script.text, *rest)
        pipeline.execute()


def submits_by_queue(tree: Path) -> dict[int, tuple[float, float]]:
    """By queue length: milliseconds of the API's and of Redis's CPU for a submit."""
    found: dict[int, list[tuple[float, float]]] = {0: [], QUEUED: []}
    with (
        tempfile.TemporaryDirectory() as name,
        valkey(Path(name), "no") as store,
        redis.Redis.from_url(store.url) as client,
        api(Path(name), store.url, tree, API_WORKERS="1") as server,
    ):
        for _ in range(TURNS):
            for length, figures in found.items():
                client.flushall()
                fill(client, length)
                drive(server.port, [SUBMIT] * 50)
                before = server.cpu_seconds(), store.cpu_seconds()
                load = drive(server.port, [SUBMIT] * SUBMITS)
                assert set(load.statuses) == {202}, load.statuses
                spent = server.cpu_seconds() - before[0], store.cpu_seconds() - before[1]
                figures.append((spent[0] * 1000 / SUBMITS, spent[1] * 1000 / SUBMITS))
    return {length: tuple(map(statistics.median, zip(*figures, strict=True))) for length, figures in found.items()}


def polls_by_processes(asked: argparse.Namespace) -> dict[int, tuple[float, float]]:
    """By number of processes: polls a second, and milliseconds of all their CPU for a poll."""
    found: dict[int, list[tuple[float, float]]] = {processes: [] for processes in asked.processes}
    with (
        tempfile.TemporaryDirectory() as name,
        valkey(Path(name)) as store,
        ProcessPoolExecutor(asked.clients, mp_context=multiprocessing.get_context("spawn")) as clients,
    ):
        for _ in range(TURNS):
            for processes, figures in found.items():
                with api(Path(name), store.url, API_WORKERS=str(processes)) as server:
                    job_id = json.loads(drive(server.port, [SUBMIT], 1).last)["id"]
                    polls = [request("GET", f"/api/jobs/{job_id}")] * (asked.polls // asked.clients)
                    driven = partial(drive, server.port, connections=asked.connections // asked.clients)
                    list(clients.map(driven, [polls[:200]] * asked.clients))
                    before = server.cpu_seconds()
                    loads = list(clients.map(driven, [polls] * asked.clients))
                    spent = (server.cpu_seconds() - before) * 1000 / asked.polls
                    assert all(set(load.statuses) == {200} for load in loads), loads
                    figures.append((sum(load.per_second for load in loads), spent))
    return {count: tuple(map(statistics.median, zip(*figures, strict=True))) for count, figures in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--clients", type=int, default=1, help="processes that send; one sends some 3,000 a second")
    parser.add_argument("--polls", type=int, default=4000)
    asked = parser.parse_args()
    print("\n| | queued | API, ms a submit | Redis, ms a submit | both against none |\n|---|---|---|---|---|")
    for version, tree in {"before": asked.before, "now": ROOT}.items():
        by_queue = submits_by_queue(tree.resolve()) if tree else {}
        for length, (of_api, of_redis) in by_queue.items():
            cells = f"{of_api:.2f} | {of_redis:.2f} | {(of_api + of_redis) / sum(by_queue[0]):.2f}"
            print(f"| {version} | {length:,} | {cells} |", flush=True)
    by_processes = polls_by_processes(asked)
    one = by_processes[asked.processes[0]][0]
    print("\n| API processes | polls a second | against one | CPU, ms a poll |\n|---|---|---|---|")
    for count, (rate, spent) in by_processes.items():
        print(f"| {count} | {rate:.0f} | {rate / one:.2f} | {spent:.2f} |")


if __name__ == "__main__":
    main()
