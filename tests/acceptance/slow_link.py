"""A TCP proxy on loopback that passes so many bytes a second, of all its connections together, as one network link."""

from __future__ import annotations

import asyncio
import contextlib

from flaky_proxy import FlakyProxy


class SlowLink(FlakyProxy):
    def __init__(self, port: int, bytes_per_second: float) -> None:
        super().__init__(port, seed=0)
        self._rate = bytes_per_second
        self._free_at = 0.0

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: list[int | None]) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                now = asyncio.get_running_loop().time()
                self._free_at = max(now, self._free_at) + len(data) / self._rate
                await asyncio.sleep(self._free_at - now)
                writer.write(data)
                await writer.drain()
