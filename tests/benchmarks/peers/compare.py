"""Our front against others' ways, in turns on one machine: `make bench-peers` (PEERS=tutorial,ours).

Prints calls a second, and milliseconds of the server's own CPU time for a call: the second is what other work on the
machine changes little. A drawing takes no time in any of them, and no worker runs beside those that queue.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from environments import HERE, python

sys.path.append(str(HERE.parent / "front"))
from load import drive, request
from servers import Server, api, valkey

from shared.stack.ports import free_port

WISH = json.dumps({"prompt": "a red fox head, geometric", "sizes": [256, 512, 1024]}).encode()
BENTO = ("-m", "bentoml", "serve", "bento:Draw", "--host", "127.0.0.1", "--port", "{port}")
UVICORN = ("-m", "uvicorn", "--no-access-log", "--log-level", "warning", "--port")


Peer = Callable[[Path, int], dict[str, tuple[float, float]]]


def measured(server: Server, requests: list[bytes]) -> tuple[float, float]:
    """Calls a second, and milliseconds of CPU for a call."""
    drive(server.port, requests[: len(requests) // 5])
    before = server.cpu_seconds()
    load = drive(server.port, requests)
    assert all(status < 300 for status in load.statuses), (load.statuses, load.last)
    return load.per_second, (server.cpu_seconds() - before) * 1000 / len(requests)


def queueing(server: Server, path: str, count: int) -> dict[str, tuple[float, float]]:
    """Submits, then polls of the last job."""
    found = {"submit": measured(server, [request("POST", path, WISH)] * count)}
    job_id = json.loads(drive(server.port, [request("POST", path, WISH)], 1).last)["id"]
    return found | {"poll": measured(server, [request("GET", f"{path}/{job_id}")] * 2 * count)}


def ours(folder: Path, count: int) -> dict[str, tuple[float, float]]:
    with valkey(folder) as store, api(folder, store.url, API_WORKERS="1") as server:
        return queueing(server, "/api/jobs", count)


def tutorial(folder: Path, count: int) -> dict[str, tuple[float, float]]:
    with valkey(folder) as store:
        server = _started("tutorial", (*UVICORN, "{port}", "tutorial:app"), folder, REDIS_URL=store.url)
        try:
            return queueing(server, "/jobs", count)
        finally:
            server.stop()


def holding(group: str, command: tuple[str, ...], path: str, ready: str) -> Peer:
    """One call that is held until its drawing is done."""

    def peer(folder: Path, count: int) -> dict[str, tuple[float, float]]:
        server = _started(group, command, folder, ready)
        try:
            return {"submit": measured(server, [request("POST", path, WISH)] * count)}
        finally:
            server.stop()

    return peer


def _started(group: str, command: tuple[str, ...], folder: Path, ready: str = "/ready", **env: str) -> Server:
    port = free_port()
    words = [word.format(port=port) for word in command]
    server = Server([str(python(group)), *words], HERE, port, folder / f"{group}.log", **env)
    server.wait(ready)
    return server


PEERS = {
    "ours": ours,
    "tutorial": tutorial,
    "first version": holding("tutorial", (*UVICORN, "{port}", "first_version:app"), "/jobs", "/ready"),
    "LitServe": holding("litserve", ("lit_serve.py", "{port}"), "/predict", "/health"),
    "BentoML": holding("bentoml", BENTO, "/draw", "/readyz"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--count", type=int, default=1000)
    asked = parser.parse_args()
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(asked.turns):
        for name in asked.peers.split(","):
            with tempfile.TemporaryDirectory() as folder:
                for call, figures in PEERS[name](Path(folder), asked.count).items():
                    found.setdefault((name, call), []).append(figures)
    print("| way | call | a second | CPU, ms | CPU against ours |\n|---|---|---|---|---|")
    for (name, call), figures in found.items():
        rate, spent = (statistics.median(column) for column in zip(*figures, strict=True))
        base = found.get(("ours", call))
        ratio = f"{spent / statistics.median(column for _, column in base):.2f}" if base else "-"
        print(f"| {name} | {call} | {rate:.0f} | {spent:.2f} | {ratio} |")


if __name__ == "__main__":
    main()
