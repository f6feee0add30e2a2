"""The HTTP front on HOST and PORT: its server, in this process or in API_WORKERS processes."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import socket
import sys
from typing import TYPE_CHECKING

import uvicorn

from api import open_files, processes
from api.app import create_app
from api.http_protocol import BoundedProtocol
from api.idle_connections import IdleConnections
from api.settings import ApiSettings
from shared import redis_state, settings
from shared.observability import logging
from shared.results import opening

if TYPE_CHECKING:
    from fastapi import FastAPI

    from api.deps import Services

# A thread that sends a job's message asks for the interpreter at each step. By default a busy loop hands it over after
# 5 ms only, which made a submit take three times as long (docs/decisions/0036-turns.md).
SWITCH_SECONDS = 0.0005

# asyncio takes up to so many new connections before it goes on with what it has: a burst of thousands of connections
# would keep every call at work waiting until the last was taken.
ACCEPTED_AT_ONCE = 10
# Of several processes one that takes more has many of few connections, while another has nothing to do.
ACCEPTED_AT_ONCE_OF_SEVERAL = 1
# So many more wait in the system, which cuts the number to its own bound (net.core.somaxconn).
BACKLOG = 4096
# The collector of cyclic garbage looks at every object there is, and by default after each 700 new ones: with thousands
# of connections it took most of the time of a burst. What is there at the start stays, and need not be looked at.
NEW_OBJECTS_BETWEEN_COLLECTIONS = 200_000


class Server(uvicorn.Server):
    """A uvicorn server that answers its held calls before it ends; uvicorn itself cancels them, which sends a 500."""

    def __init__(self, app: FastAPI, config: ApiSettings) -> None:
        self.services: Services = app.state.services
        idle = IdleConnections(config.max_idle_connections)
        super().__init__(
            uvicorn.Config(
                app,
                host=config.host,
                port=config.port,
                # Not uvloop, which raises RuntimeError instead of OSError on a connection that Redis closed
                # (docs/decisions/0001).
                loop="asyncio",
                http=functools.partial(BoundedProtocol, idle=idle),  # type: ignore[arg-type] # uvicorn only calls it
                timeout_keep_alive=config.keep_alive_seconds,
                # Clients such as Node's agent let go of a connection before the server does.
                headers=[("Keep-Alive", f"timeout={config.keep_alive_seconds}")],
                backlog=ACCEPTED_AT_ONCE if config.processes == 1 else ACCEPTED_AT_ONCE_OF_SEVERAL,
                log_config=None,
                access_log=False,
                # api/callers.py does it: uvicorn believes anyone on this machine, whatever is written there.
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=3,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # asyncio has one number for how many it takes at once and how many wait.
        for listening in (each for server in self.servers for each in server.sockets):
            with socket.socket(fileno=os.dup(listening.fileno())) as same:
                same.listen(BACKLOG)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.services.waiting.release()
        await super().shutdown(sockets)


def _every_address(port: int) -> list[socket.socket]:
    """A socket for IPv6 and IPv4. asyncio, by which uvicorn listens, makes those for an IPv6 address deaf to IPv4.

    :raises SystemExit: the port cannot be used.
    """
    both = socket.has_dualstack_ipv6()
    try:
        return [socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=both)]
    except OSError as error:
        raise SystemExit(f"PORT {port} on :: cannot be used: {error.strerror}") from None


def _bound(config: ApiSettings) -> list[socket.socket]:
    """A socket that the first of several processes listens on: a client is refused, not kept waiting, until then.

    :raises SystemExit: the port cannot be used.
    """
    # asyncio sets TCP_NODELAY only where the protocol is named, and without it each answer is up to 40 ms late.
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if config.host == "::" and socket.has_dualstack_ipv6():
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    try:
        bound.bind((config.host, config.port))
    except OSError as error:
        raise SystemExit(f"PORT {config.port} on {config.host} cannot be used: {error.strerror}") from None
    return [bound]


def make_server() -> Server:
    """The server of this process; logs and open files are set up for it."""
    config = settings.load(ApiSettings)
    logging.configure(config.log_level, config.log_format, "api")
    open_files.raise_limit()
    sys.setswitchinterval(SWITCH_SECONDS)
    server = Server(create_app(config), config)
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS_BETWEEN_COLLECTIONS)
    return server


def serve() -> None:
    config = settings.load(ApiSettings)
    redis_state.refuse_cluster(config.redis_url)
    opening.check(config)
    if config.processes > 1:
        logging.configure(config.log_level, config.log_format, "api")
        processes.run(config.processes, _bound(config))
        return
    server = make_server()
    with contextlib.suppress(KeyboardInterrupt):
        server.run(_every_address(config.port) if config.host == "::" else None)
    if not server.started:
        raise SystemExit(3)
