"""uvicorn's HTTP protocol with five more bounds: on the size of a request's head, on the time a request takes to
arrive, on the time in which a client reads nothing of its response, on the number of idle connections, and on the time
for which a client that is gone without a word counts as there.

Without the first three, a client that sends a byte now and then (slow loris), sends a header without an end, or never
reads its response holds a connection and memory for ever. A middleware bounds the body's size (api/body_limit.py).
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from api.old_http import send_unchunked
from api.one_write import OneWrite
from api.small_connection import shrink_call, shrink_connection
from api.upgrade_offers import PlainProtocol
from shared.observability.logging import get_logger

if TYPE_CHECKING:
    import asyncio

    from api.idle_connections import IdleConnections

log = get_logger(__name__)
MAX_HEAD_BYTES = 32 * 1024
REQUEST_SECONDS = 20.0
# The time without any progress: a client that reads slowly on a bad network is not cut off.
UNREAD_SECONDS = 60.0
# A phone without a network sends no end of its connection. While a call is held nothing is sent to it either, so the
# system asks: the call ends KEEPALIVE_TRIES * KEEPALIVE_TRY_SECONDS after the first question without an answer.
KEEPALIVE_SECONDS = 45
KEEPALIVE_TRY_SECONDS = 10
KEEPALIVE_TRIES = 3


class BoundedProtocol(PlainProtocol):
    # Attributes beyond thirty would make each instance's dict five times as large.
    __slots__ = ("_arrival", "_head_bytes", "_idle", "_unread")

    def __init__(self, *args: Any, idle: IdleConnections | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle = idle
        self._head_bytes = 0  # of the request that is arriving; -1 while its body arrives
        self._arrival: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn's own signature
        super().connection_made(transport)
        shrink_connection(self)
        _ask_if_silent(transport.get_extra_info("socket"))
        self._start_arrival_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_arrival_timer()
        self._stop_unread_timer()
        self._end_idleness()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_unread_timer()

    def resume_writing(self) -> None:
        self._stop_unread_timer()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        if self.transport.is_closing():
            self._start_unread_timer()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # uvicorn sets this timer where no other request waits, and data that arrives stops it.
        if self._idle is not None and self.timeout_keep_alive_task is not None:
            self._idle.add(self.transport)

    def data_received(self, data: bytes) -> None:
        self._end_idleness()
        if self._head_bytes >= 0:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse("head_too_large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._start_arrival_timer()

    def on_headers_complete(self) -> None:
        if sum(len(name) + len(value) for name, value in self.headers) + len(self.url) > MAX_HEAD_BYTES:
            raise ValueError("head too large")  # uvicorn answers a parser error with 400
        self._head_bytes = -1
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is before:
            return
        shrink_call(self)
        if self.scope["http_version"] == "1.0":
            send_unchunked(self.cycle)
        if self.scope["method"] != "HEAD":  # the head of that is not followed by anything
            self.cycle.transport = OneWrite(self.transport)  # type: ignore[assignment] # what uvicorn uses of it

    def on_message_complete(self) -> None:
        self._stop_arrival_timer()
        self._head_bytes = 0
        super().on_message_complete()

    def _end_idleness(self) -> None:
        if self._idle is not None:
            self._idle.remove(self.transport)

    def _start_arrival_timer(self) -> None:
        self._stop_arrival_timer()
        self._arrival = self.loop.call_later(REQUEST_SECONDS, self._refuse, "request_too_slow")

    def _stop_arrival_timer(self) -> None:
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None

    def _refuse(self, reason: str) -> None:
        log.info("connection.closed", reason=reason, client=self.client and self.client[0])
        self.transport.close()
        self._start_unread_timer()  # the transport closes only once the client has read all unsent bytes

    def _start_unread_timer(self) -> None:
        self._stop_unread_timer()
        unsent = self.transport.get_write_buffer_size()
        if unsent:
            self._unread = self.loop.call_later(UNREAD_SECONDS, self._abort_unless_progress, unsent)

    def _stop_unread_timer(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _abort_unless_progress(self, unsent: int) -> None:
        if self.transport.get_write_buffer_size() < unsent:
            self._start_unread_timer()
            return
        log.info("connection.closed", reason="unread", client=self.client and self.client[0], bytes=unsent)
        self.transport.abort()


def _ask_if_silent(connection: socket.socket) -> None:
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # macOS has another name for the first, and its own times for the others.
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_SECONDS),
        ("TCP_KEEPINTVL", KEEPALIVE_TRY_SECONDS),
        ("TCP_KEEPCNT", KEEPALIVE_TRIES),
    ):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
