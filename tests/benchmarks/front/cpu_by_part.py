"""Where the CPU time of a submit, a poll and a long-wait goes in the API process: `make bench-front`.

`--before FOLDER`: the same of another version of this project, in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import tempfile
import time
from pathlib import Path

import redis
from load import drive, request
from servers import HERE, ROOT, api, valkey

BODY = json.dumps({"prompt": "a red fox head, geometric", "sizes": [256, 512, 1024]}).encode()
SUBMITS, POLLS, WAITS = 1500, 3000, 3000


def submits(count: int) -> list[bytes]:
    return [request("POST", "/api/jobs", BODY)] * count


def polls(job_id: str, count: int, query: str = "") -> list[bytes]:
    return [request("GET", f"/api/jobs/{job_id}{query}")] * count


class Sampled:
    """A running API whose samples are read after each kind of call."""

    def __init__(self, server, target: Path) -> None:
        self.server, self._target = server, target

    def measure(self, requests: list[bytes]) -> tuple[float, dict[str, float]]:
        """Milliseconds of CPU for each request, and those of each part."""
        drive(self.server.port, requests[:100])
        os.kill(self.server.process.pid, signal.SIGUSR1)
        before = self.server.cpu_seconds()
        load = drive(self.server.port, requests)
        spent = (self.server.cpu_seconds() - before) * 1000 / len(requests)
        assert set(load.statuses) <= {200, 202}, load.statuses
        self._target.unlink(missing_ok=True)
        os.kill(self.server.process.pid, signal.SIGUSR2)
        while not (self._target.exists() and self._target.read_text().endswith("}")):
            time.sleep(0.01)
        counts = json.loads(self._target.read_text())
        total = sum(counts.values())
        return spent, {part: spent * count / total for part, count in counts.items()}


def profile(tree: Path, **env: str) -> dict[str, tuple[float, dict[str, float]]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = (str(HERE / "sampled_api.py"), str(folder / "samples"))
        with valkey(folder) as store, api(folder, store.url, tree, command, **env) as server:
            sampled = Sampled(server, folder / "samples")
            found = {"submit": sampled.measure(submits(SUBMITS))}
            job_id = json.loads(drive(server.port, submits(1)).last)["id"]
            found["poll"] = sampled.measure(polls(job_id, POLLS))
            # A wait of a job that has ended is answered at once: what it costs to accept one.
            with redis.Redis.from_url(store.url) as client:
                client.hset(f"logo:job:{job_id}", "status", "canceled")
            found["wait, ended"] = sampled.measure(polls(job_id, WAITS, "?wait=30"))
            return found


def table(found: dict[str, tuple[float, dict[str, float]]]) -> str:
    parts = sorted(
        {part for _, by_part in found.values() for part in by_part},
        key=lambda part: -sum(by_part.get(part, 0) for _, by_part in found.values()),
    )
    lines = [f"| CPU, ms | {' | '.join(found)} |", f"|---|{'---|' * len(found)}"]
    lines += [f"| {part} | " + " | ".join(f"{found[k][1].get(part, 0):.3f}" for k in found) + " |" for part in parts]
    lines.append("| all | " + " | ".join(f"{total:.3f}" for total, _ in found.values()) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path)
    asked = parser.parse_args()
    for name, tree in {"before": asked.before, "now": ROOT}.items():
        if tree:
            print(f"\n{name}\n\n{table(profile(tree.resolve()))}", flush=True)


if __name__ == "__main__":
    main()
