"""Sends the head of a response with the beginning of its body.

uvicorn writes them one after the other, which is two calls of the system for each response, and two packets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

# A copy of a longer body costs more than the second call.
JOINED_BYTES = 64 * 1024
_CONTINUE = b"HTTP/1.1 100 "  # before the head of the response itself
_LENGTH = b"\r\ncontent-length: "  # as uvicorn writes it


class OneWrite:
    """The transport of one response to a request other than HEAD, as uvicorn uses it.

    Only the head of a body of known length is kept back: the beginning of another, such as that of a stream of events,
    may come much later.
    """

    __slots__ = ("_head", "_transport", "_unseen")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._unseen = True  # the head has not come
        self._head = b""  # kept back

    def write(self, data: bytes) -> None:
        if self._unseen and not data.startswith(_CONTINUE):
            self._unseen = False
            if _LENGTH in data:
                self._head = data
                return
        elif self._head:
            if len(data) <= JOINED_BYTES:
                data = self._head + data
            else:
                self._transport.write(self._head)
            self._head = b""
        self._transport.write(data)

    def close(self) -> None:
        if self._head:
            self._transport.write(self._head)
            self._head = b""
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()
