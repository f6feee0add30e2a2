"""A TCP proxy on loopback, on an event loop and a thread of its own; what it does with a connection is `serve`."""

from __future__ import annotations

import asyncio
import threading
from typing import Self


class TcpProxy:
    def __init__(self, port: int) -> None:
        """:param port: of the server behind it."""
        self.upstream = port
        self.loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self.loop.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError

    def cancel_all(self) -> None:
        """On the proxy's own thread."""
        for task in self._tasks:
            task.cancel()

    def _run(self) -> None:
        self.loop.run_until_complete(self._listen())

    async def _listen(self) -> None:
        self._over = asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        self.cancel_all()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(task := asyncio.current_task())
        task.add_done_callback(self._tasks.discard)
        await self.serve(reader, writer)
