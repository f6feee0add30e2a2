"""Bounds the connections that are kept open between two requests. Beyond the bound, one of the address that keeps most
is closed, so that nobody's many connections cost others theirs: the one that has been idle longest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


class IdleConnections:
    def __init__(self, most: int) -> None:
        self._most = most
        # By address, which is that of a proxy where there is one. A dict keeps the order of insertion: the first has
        # been idle longest.
        self._idle: dict[str, dict[asyncio.Transport, None]] = {}
        self._count = 0

    def add(self, transport: asyncio.Transport) -> None:
        self.remove(transport)
        self._idle.setdefault(_address(transport), {})[transport] = None
        self._count += 1
        if self._count > self._most:
            fullest = max(self._idle.values(), key=len)
            oldest = next(iter(fullest))
            self.remove(oldest)
            oldest.close()

    def remove(self, transport: asyncio.Transport) -> None:
        idle = self._idle.get(address := _address(transport), {})
        if transport in idle:
            del idle[transport]
            self._count -= 1
            if not idle:
                del self._idle[address]


def _address(transport: asyncio.Transport) -> str:
    # Kept by the transport, so that it is the same after the connection has ended.
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if peer else ""
