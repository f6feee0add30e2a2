"""The ports of `make serve`: each is tried before anything starts, so that one line names what is taken."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, NamedTuple

from shared.settings import refuse

if TYPE_CHECKING:
    from collections.abc import Iterable


LAST = 65535


class Port(NamedTuple):
    setting: str  # that names it
    host: str
    number: int


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
