"""ASGI middleware that compresses answers by path.

The media type cannot decide: a job with base64 images is JSON too, but not worth the CPU time (docs/decisions/0012).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.middleware.gzip import GZipMiddleware

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import ASGIApp, Receive, Scope, Send

# A single job is left out: its images are base64 of compressed PNGs, and without images it fits into one packet.
PATHS = ("/", "/api/jobs", "/docs", "/redoc", "/openapi.json")
MIN_BYTES = 1400
LEVEL = 5


class Compression:
    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._compressed = GZipMiddleware(app, minimum_size=MIN_BYTES, compresslevel=LEVEL)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        pays = scope["type"] == "http" and scope["method"] == "GET" and scope["path"] in PATHS
        return (self._compressed if pays else self._plain)(scope, receive, send)
