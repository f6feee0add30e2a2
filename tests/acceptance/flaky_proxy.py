"""A TCP proxy on loopback that acts like a bad mobile network: it adds latency and cuts connections, by a seed."""

from __future__ import annotations

import asyncio
import contextlib
import random

from tcp_proxy import TcpProxy

LATENCY_SECONDS = 0.02
CUT_PROBABILITY = 0.5
# The most bytes, of both directions together, before a chosen connection is cut. A submit and its answer take about
# 2000, so that cuts fall into requests, into answers and between them.
CUT_WITHIN_BYTES = 3000


class FlakyProxy(TcpProxy):
    def __init__(self, port: int, seed: int) -> None:
        super().__init__(port)
        self._random = random.Random(seed)
        self.connections = self.cuts = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        left = [self._random.randrange(CUT_WITHIN_BYTES) if self._random.random() < CUT_PROBABILITY else None]
        writers = [writer]
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
            writers.append(up_writer)
            ways = [
                asyncio.ensure_future(self._pump(reader, up_writer, left)),
                asyncio.ensure_future(self._pump(up_reader, writer, left)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            pass
        finally:
            for end in writers:
                # A reset instead of an orderly close, as when a phone leaves the cell.
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: list[int | None]) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(4096):
                await asyncio.sleep(self._random.uniform(0, LATENCY_SECONDS))
                if left[0] is not None:
                    data = data[: left[0]]
                    left[0] -= len(data)
                writer.write(data)
                await writer.drain()
                if left[0] == 0:
                    self.cuts += 1
                    return
