"""Several API processes behind one port (API_WORKERS): uvicorn's supervisor, with this project's server in each.

The supervisor holds the socket, replaces a process that died or hangs, and on SIGHUP replaces all, one by one, each
once its successor is ready. Prometheus's library adds up what they count, in files of a folder of theirs.
"""

from __future__ import annotations

import os
import signal
import tempfile
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import multiprocess

from shared.parenthood import end_with

if TYPE_CHECKING:
    import socket

# How long a process may owe its supervisor an answer, and a successor may take until it serves, on a loaded machine.
HEALTH_SECONDS = 60
# By this variable, which must be there before its first import, Prometheus's library counts in files (api/metrics.py).
COUNTED_IN = "PROMETHEUS_MULTIPROC_DIR"


class _Process(multiprocess.Process):
    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        self._parent = os.getpid()
        super().__init__(config, sockets)

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        # A supervisor that is killed takes its processes with it; its successor needs their port.
        end_with(self._parent, signal.SIGTERM)
        super().target(sockets)

    def pong(self) -> None:
        # uvicorn's own asks `server`, in a thread beside the one that is making it.
        self.child_conn.recv()
        self.child_conn.send(self._server is not None and self._server.started)

    @property
    def server(self) -> uvicorn.Server:
        if self._server is None:
            from api.server import make_server  # noqa: PLC0415 - seconds, in which the supervisor is answered already

            self._server = make_server()
        return self._server


def run(count: int, sockets: list[socket.socket]) -> None:
    """Serves on `sockets` with so many processes, until it is told to end.

    :raises SystemExit: a process could not start.
    """
    with tempfile.TemporaryDirectory(prefix="logo-api-metrics-") as counted_in:
        os.environ[COUNTED_IN] = counted_in
        # uvicorn has no hook for the class of its processes.
        multiprocess.Process = _Process  # type: ignore[misc]
        config = uvicorn.Config("api", workers=count, log_config=None, timeout_worker_healthcheck=HEALTH_SECONDS)
        supervisor = multiprocess.Multiprocess(config, sockets)
        supervisor.run()
        if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
            raise SystemExit(STARTUP_FAILURE)
