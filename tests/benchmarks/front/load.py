"""A load generator that costs little itself: requests prepared as bytes, over connections that stay open."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """A whole request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: */*", "User-Agent: load"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass
class Load:
    seconds: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    last: bytes = b""  # the body of the last answer

    @property
    def per_second(self) -> float:
        return self.statuses.total() / self.seconds


class _Connection(asyncio.Protocol):
    """Sends the next request of `requests` as soon as the last one is answered."""

    def __init__(self, requests: Iterable[bytes], load: Load) -> None:
        self._requests = iter(requests)
        self._load = load
        self._read = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, end, body = self._read.partition(b"\r\n\r\n")
        length = _LENGTH.search(head) if end else None
        if length and len(body) >= int(length[1]):
            self._load.statuses[int(head[9:12])] += 1
            self._load.last, self._read = body, b""
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server ended the connection"))

    def _next(self) -> None:
        asked = next(self._requests, None)
        if asked is None:
            self.done.set_result(None)
            self._transport.close()
        else:
            self._transport.write(asked)


async def _drive(port: int, requests: Iterable[bytes], connections: int) -> Load:
    load, left, loop = Load(), iter(requests), asyncio.get_running_loop()
    start = time.perf_counter()
    made = [
        await loop.create_connection(lambda: _Connection(left, load), "127.0.0.1", port) for _ in range(connections)
    ]
    await asyncio.gather(*(connection.done for _, connection in made))
    load.seconds = time.perf_counter() - start
    return load


def drive(port: int, requests: Iterable[bytes], connections: int = 8) -> Load:
    """Sends all requests over so many connections at once, each as soon as its connection is free."""
    return asyncio.run(_drive(port, requests, connections))
