"""A TCP proxy between a browser and the server: a door that can be shut, and whose connections can be cut."""

from __future__ import annotations

import asyncio
import contextlib

from tcp_proxy import TcpProxy


class Door(TcpProxy):
    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._open = True

    def cut(self) -> None:
        """Cuts what is connected; new connections are let through."""
        self.loop.call_soon_threadsafe(self.cancel_all)

    def shut(self) -> None:
        """Cuts what is connected, and all that comes until `open`."""
        self._open = False
        self.cut()

    def open(self) -> None:
        self._open = True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            writer.transport.abort()
            return
        writers = [writer]
        with contextlib.suppress(OSError, asyncio.CancelledError):
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
            writers.append(up_writer)
            await asyncio.gather(_pump(reader, up_writer), _pump(up_reader, writer))
        for end in writers:
            end.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
