"""Bounds the connections that are kept open between two requests: beyond the bound, the one idle longest is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


class IdleConnections:
    def __init__(self, most: int) -> None:
        self._most = most
        # A dict keeps the order of insertion: the first has been idle longest.
        self._idle: dict[asyncio.Transport, None] = {}

    def add(self, transport: asyncio.Transport) -> None:
        self._idle[transport] = None
        if len(self._idle) > self._most:
            oldest = next(iter(self._idle))
            del self._idle[oldest]
            oldest.close()

    def remove(self, transport: asyncio.Transport) -> None:
        self._idle.pop(transport, None)
