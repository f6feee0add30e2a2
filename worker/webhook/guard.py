"""Connects to checked addresses only: a name is resolved once, each of its addresses is checked, and the connection
goes to one of these. TLS still checks the certificate against the name.
"""

from __future__ import annotations

import functools
import socket
from typing import TYPE_CHECKING

import anyio.to_thread
import httpcore

from shared.addresses import may_be_called

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from httpcore import SOCKET_OPTION, AsyncNetworkStream

    from shared.addresses import Networks

    Resolve = Callable[[str, int], Awaitable[list[str]]]


class AddressRefused(Exception):
    """At least one address of the name may not be called."""


async def resolve(host: str, port: int) -> list[str]:
    """The distinct addresses of a name.

    :raises OSError: the name is not known.
    """
    # Not asyncio's getaddrinfo: `asyncio.run` joins its thread at the end, and would wait for a name server that does
    # not answer.
    look_up = functools.partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await anyio.to_thread.run_sync(look_up, abandon_on_cancel=True)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class CheckedBackend(httpcore.AsyncNetworkBackend):
    def __init__(self, allowed: Networks, resolve: Resolve = resolve) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """:raises AddressRefused: before any connection is made."""
        try:
            addresses = await self._resolve(host, port)
        except OSError as error:
            raise httpcore.ConnectError(f"the name is not known: {error}") from error
        for address in addresses:
            if not may_be_called(address, self._allowed):
                raise AddressRefused(f"{host} leads to an address that is not public")
        failure: httpcore.ConnectError | None = None
        for address in addresses:
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError as error:
                failure = error
        raise failure or httpcore.ConnectError("the name has no address")
