"""The ports of `make serve`: each is tried before anything starts, so that one line names what is taken."""

from __future__ import annotations

import contextlib
import secrets
import socket
from typing import TYPE_CHECKING, NamedTuple

from shared.settings import refuse

if TYPE_CHECKING:
    from collections.abc import Iterable


# Above 10080, the last of the ports at which browsers open no page: https://fetch.spec.whatwg.org/#port-blocking
NOT_FOR_CLIENTS = range(10_081, 32_000)
LAST = 65535


class Port(NamedTuple):
    setting: str  # that names it
    host: str
    number: int


def free_port() -> int:
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first of so many consecutive ports that nothing listens on. They are below those that the system gives to
    clients, any of which may be taken before it is used here.
    """
    while True:
        first = secrets.choice(NOT_FOR_CLIENTS)
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            for port in range(first, first + count):
                held.enter_context(socket.create_server(("127.0.0.1", port)))
            return first


def refuse_taken(ports: Iterable[Port]) -> None:
    """:raises SystemExit: one of them cannot be used, because it is taken or because two programs would have it."""
    with contextlib.ExitStack() as held:
        for setting, host, number in ports:
            if number > LAST:
                refuse(f"setting {setting}: one of its ports would be {number}; the last is {LAST}")
            try:
                # As the API listens: the address family is chosen as uvicorn chooses it, and :: is IPv4 too.
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                both = host == "::" and socket.has_dualstack_ipv6()
                held.enter_context(socket.create_server((host, number), family=family, dualstack_ipv6=both))
            except OSError as error:
                raise SystemExit(f"{setting} {number} on {host} cannot be used: {error.strerror}") from None
