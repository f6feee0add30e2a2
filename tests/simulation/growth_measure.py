"""Measures what the simulation of growth is made of, on a real Valkey, API, generate worker and finisher.

Only the model is not real (`growth_worker.py`): it takes a card's time for its steps. `make growth MEASURE=1` writes
the figures to `growth.json`, beside this file.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import redis
from growth_model import FIGURES
from growth_probe import Probe, Spent, family_ms, thread_ms
from load import drive, request
from servers import ROOT, Server, api, valkey

from api.waiting import TOGETHER_SECONDS
from shared.ledger import keys, moves
from shared.ledger.run import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

WISH = json.dumps({"prompt": "a red fox head, geometric"}).encode()
STEP_SECONDS = 0.078  # a step of the plan `fast` at 1024 pixels (docs/performance.md)
CALLS, ALONE = 400, 200
HELD = 1000
READERS, LONE_EVENTS, EVENTS = 20, 60, 3000
JOBS = 6
IDLE_SECONDS = 10
QUANTILES = 20


def quantiles(values: list[float]) -> list[float]:
    """The least, the twentieths, the most."""
    ordered = sorted(values)
    return [round(ordered[round(at * (len(ordered) - 1) / QUANTILES)], 4) for at in range(QUANTILES + 1)]


class Bench:
    def __init__(self, store: Server, folder: Path) -> None:
        self.store, self.folder = store, folder
        self.client = redis.Redis.from_url(store.url)
        self.ledger = Ledger(self.client)
        self.pid = store.process.pid

    def probe(self, *servers: Server) -> Probe:
        return Probe(self.client, self.pid, *(server.process.pid for server in servers))

    def calls(self, server: Server, *asked: bytes) -> dict[str, object]:
        """A call of eight at once in the mean, and of one alone as a distribution of CPU time; `asked` in turns."""
        drive(server.port, itertools.islice(itertools.cycle(asked), 100))
        probe = self.probe(server)
        load = drive(server.port, itertools.islice(itertools.cycle(asked), CALLS))
        assert all(status < 300 for status in load.statuses), (load.statuses, load.last)
        spent = probe.look().per(CALLS)
        alone = asyncio.run(self._alone(server, itertools.cycle(asked)))
        return {"mean": asdict(spent), "answer_bytes": len(load.last)} | alone

    async def _alone(self, server: Server, asked: Iterator[bytes]) -> dict[str, list[float]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        of_api, of_redis = [], []
        for _ in range(ALONE):
            before = thread_ms(server.process.pid), thread_ms(self.pid)
            writer.write(next(asked))
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split()[0]))
            await asyncio.sleep(0.002)  # what follows the answer, such as its log line, belongs to the call
            of_api.append(thread_ms(server.process.pid) - before[0])
            of_redis.append(thread_ms(self.pid) - before[1])
        writer.close()
        return {"api_ms": quantiles(of_api), "redis_ms": quantiles(of_redis)}

    def waiters(self, server: Server) -> dict[str, float]:
        """HELD calls that wait for one job, then its end."""
        job_id = json.loads(drive(server.port, [request("POST", "/api/jobs", WISH)], 1).last)["id"]
        return asyncio.run(self._held(server, job_id))

    async def _held(self, server: Server, job_id: str) -> dict[str, float]:
        async def opened(count: int) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
            made = []
            for _ in range(count):
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.write(request("GET", f"/api/jobs/{job_id}?wait=60&include=none"))
                made.append((reader, writer))
            return made

        async def settled() -> None:
            """Until the process has no more work with what was sent."""
            last = -1.0
            while (now := family_ms(server.process.pid)) != last:
                last = now
                await asyncio.sleep(0.5)

        warm = await opened(200)
        await settled()
        memory, spent, probe = server.memory_bytes(), family_ms(server.process.pid), self.probe(server)
        held = await opened(HELD)
        await settled()
        accepted = probe.look()
        found = {
            "memory_bytes": (server.memory_bytes() - memory) / HELD,
            "accept_ms": (family_ms(server.process.pid) - spent) / HELD,
            "accept_redis_ms": accepted.redis_ms / HELD,
            "accept_trips": accepted.trips / HELD,
        }
        spent = family_ms(server.process.pid)
        await asyncio.sleep(IDLE_SECONDS)
        found["idle_ms_a_second"] = (family_ms(server.process.pid) - spent) / IDLE_SECONDS
        spent = family_ms(server.process.pid)
        self.ledger.run(moves.request_cancel(job_id, ttl_seconds=600))
        start = time.perf_counter()
        await asyncio.gather(*(reader.readuntil(b"\r\n\r\n") for reader, _ in warm + held))
        found["all_answered_seconds"] = time.perf_counter() - start
        await settled()
        found["answer_ms"] = (family_ms(server.process.pid) - spent) / (HELD + 200)
        for _, writer in warm + held:
            writer.close()
        return {name: round(value, 4) for name, value in found.items()}

    def events(self, server: Server) -> dict[str, float]:
        """What the events' stream costs Redis for each reader, and a process that none of them concerns: a reading of
        one event, and each further event of a reading.
        """

        def send(count: int, pause: float) -> Spent:
            probe = self.probe(server)
            for number in range(count):
                self.client.xadd(keys.EVENTS, {"job_id": f"other-{number}", "status": "running", "attempt": 1})
                time.sleep(pause)
            time.sleep(0.5)
            return probe.look()

        def read() -> None:
            """As the API does."""
            with redis.Redis.from_url(self.store.url) as client:
                last = "$"
                while not done.is_set():
                    for _, events in client.xread({keys.EVENTS: last}, count=500, block=200):
                        last = events[-1][0]
                        if len(events) > 1:
                            time.sleep(TOGETHER_SECONDS)

        lone, many = send(LONE_EVENTS, 3 * TOGETHER_SECONDS), send(EVENTS, 0)
        done = threading.Event()
        threads = [threading.Thread(target=read) for _ in range(READERS)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        lone_read, many_read = send(LONE_EVENTS, 3 * TOGETHER_SECONDS), send(EVENTS, 0)
        done.set()
        for thread in threads:
            thread.join()
        reading = lone.process_ms / LONE_EVENTS
        readings = many.seconds / TOGETHER_SECONDS
        return {
            "redis_ms_a_reading": (lone_read.redis_ms - lone.redis_ms) / LONE_EVENTS / READERS,
            "redis_ms_a_reader": max(0.0, many_read.redis_ms - many.redis_ms) / EVENTS / READERS,
            "bytes_a_reader": (lone_read.bytes_out - lone.bytes_out) / LONE_EVENTS / READERS,
            "api_ms_a_reading": reading,
            "api_ms": max(0.0, many.process_ms - readings * reading) / EVENTS,
        }

    def jobs(self, server: Server) -> dict[str, object]:
        """JOBS jobs in the default sizes through worker and finisher, less what these cost where nothing waits."""
        env = {"REDIS_URL": self.store.url, "TORCH_DEVICE": "cpu", "FINISH_CONCURRENCY": "1"}
        commands = {
            "generate": [str(Path(__file__).with_name("growth_worker.py")), str(STEP_SECONDS)],
            "finish": ["-m", "worker.finish.main"],
            "sweeper": ["-m", "worker.sweeper"],
        }
        started = {
            name: Server([sys.executable, *words], ROOT, 0, self.folder / f"{name}.log", **env)
            for name, words in commands.items()
        }
        try:
            with httpx.Client(base_url=server.url, trust_env=False, timeout=70) as http:
                while not http.get("/health/ready").is_success:
                    assert started["generate"].process.poll() is None, started["generate"].log.read_text()
                    time.sleep(0.2)
                self._drawn(http, 1)
                time.sleep(3)
                probe = self.probe(server)
                before = {name: family_ms(one.process.pid) for name, one in started.items()}
                time.sleep(IDLE_SECONDS)
                idle = probe.look().per(IDLE_SECONDS)
                after = {name: family_ms(one.process.pid) for name, one in started.items()}
                unused = {name: (after[name] - before[name]) / IDLE_SECONDS for name in after}
                events = self.client.xinfo_stream(keys.EVENTS)["entries-added"]
                probe = self.probe(server)
                took = self._drawn(http, JOBS)
                spent = probe.look()
                ended = {name: family_ms(one.process.pid) for name, one in started.items()}
            done = spent.less(idle.per(1 / spent.seconds)).per(JOBS)
            workers = {name: (ended[name] - after[name] - unused[name] * spent.seconds) / JOBS for name in ended}
            return {
                "idle_a_second": asdict(idle),
                "idle_ms_a_second": unused,
                "job": asdict(done),
                "events_a_job": (self.client.xinfo_stream(keys.EVENTS)["entries-added"] - events) / JOBS,
                "worker_ms": workers,
                "seconds_a_job": took,
                "image_bytes": self._image_bytes(),
            }
        finally:
            for one in started.values():
                one.stop()

    def _drawn(self, http: httpx.Client, count: int) -> float:
        """Seconds between the ends of two drawings. Nobody polls; the last job is waited for, once."""
        made = [
            http.post("/api/jobs", content=WISH, headers={"Content-Type": "application/json"}) for _ in range(count)
        ]
        last = made[-1].json()["id"]
        while http.get(f"/api/jobs/{last}?wait=60&include=none").json()["status"] != "succeeded":
            pass
        drawn = [int(self.client.hget(keys.job(one.json()["id"]), "drawn_at")) for one in made]
        return (max(drawn) - min(drawn)) / 1000 / max(1, count - 1)

    def _image_bytes(self) -> int:
        """Of the last job, as stored."""
        sizes = [self.client.strlen(name) for name in self.client.scan_iter("logo:images:*", _type="string")]
        return sum(sizes) // (JOBS + 1)

    def disk_ms(self) -> list[float]:
        """What a write that is as long as a submit's takes to be on disk, as `appendfsync always` waits for it."""
        took = []
        with (self.folder / "appended").open("wb", buffering=0) as file:
            for _ in range(100):
                file.write(bytes(4000))
                start = time.perf_counter()
                os.fdatasync(file.fileno())
                took.append((time.perf_counter() - start) * 1000)
        return quantiles(took)


def measured() -> dict[str, object]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found: dict[str, object] = {
        "commit": commit.stdout.strip(),
        "machine": f"{os.cpu_count()} cores of a shared {platform.machine()}, Python {platform.python_version()}",
    }
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = stack.enter_context(valkey(folder))
        server = stack.enter_context(api(folder, store.url, API_WORKERS="1", LOG_LEVEL="INFO"))
        bench = Bench(store, folder)
        found["valkey"] = bench.client.info("server")["valkey_version"]
        found["disk_ms"] = bench.disk_ms()
        found["submit"] = bench.calls(server, request("POST", "/api/jobs", WISH))
        # Of different jobs: polls of one job at the same moment would share its reading.
        job_ids = [name.decode() for name in bench.client.zrange(keys.QUEUED, 0, 63)]
        found["poll"] = bench.calls(server, *(request("GET", f"/api/jobs/{job_id}") for job_id in job_ids))
        for job_id in job_ids:
            bench.ledger.run(moves.request_cancel(job_id, ttl_seconds=600))
        waits = [request("GET", f"/api/jobs/{job_id}?wait=30") for job_id in job_ids]
        found["wait that ends at once"] = bench.calls(server, *waits)
        bench.client.flushall()
        found["waiter"] = bench.waiters(server)
        found["event"] = bench.events(server)
        bench.client.flushall()
        found["drawing"] = bench.jobs(server)
    return found


def measure() -> None:
    FIGURES.write_text(json.dumps(measured(), indent=1) + "\n")


if __name__ == "__main__":
    measure()
