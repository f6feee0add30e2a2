"""Answers of unknown length to HTTP/1.0, which has no chunks: the end of the connection is the end of the body."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


def send_unchunked(cycle: RequestResponseCycle) -> None:
    """Makes `cycle`, whose application has not run yet, send its answer without chunks; uvicorn itself chunks it."""
    send, is_framed = cycle.send, False

    async def unchunked(message: ASGISendEvent) -> None:
        nonlocal is_framed
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", []))
            is_framed = any(name.lower() == b"content-length" for name, _ in headers)
            if not is_framed:
                # A `Connection: keep-alive` of the application would contradict the end; uvicorn adds `close`.
                message["headers"] = [header for header in headers if header[0].lower() != b"connection"]
                cycle.chunked_encoding = False
        elif message["type"] == "http.response.body" and not is_framed:
            cycle.expected_content_length = len(message.get("body", b""))
        await send(message)

    cycle.send = unchunked  # type: ignore[method-assign] # uvicorn has no hook for it
