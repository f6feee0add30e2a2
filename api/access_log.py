"""ASGI middleware that logs one line per request and binds the request id to every log line of that request.

It also answers 500 for an exception that no handler caught, and 503 for a call that is cancelled at shutdown.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING

import structlog
from asgi_correlation_id import correlation_id

from api.auth import DIGEST_SHOWN
from api.callers import address
from api.errors import respond
from api.openai_errors import submitted
from shared.observability.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = get_logger(__name__)
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:@=/+-]{1,128}")
_QUIET_PATHS = ("/health/live", "/health/ready", "/metrics", "/watch/figures")


def is_sane_request_id(value: str) -> bool:
    """Whether a caller's X-Request-ID is kept: 1 to 128 characters that are safe in a header and in a log line."""
    return _SANE_REQUEST_ID.fullmatch(value) is not None


class AccessLog:
    def __init__(self, app: ASGIApp, observe: Callable[[Scope, int, float], None]) -> None:
        self.app = app
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=correlation_id.get())
        start = time.perf_counter()
        status = 0

        async def send_and_note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note_status)
        except asyncio.CancelledError:
            # Shutdown cancels calls that outlast the grace period; without this answer uvicorn sends a bare 500.
            if not status:
                headers = {"Retry-After": "2"} | ({"X-Should-Retry": "false"} if submitted(scope) else {})
                answer = respond(503, "service_unavailable", "the server restarts; try again", headers=headers)
                await answer(scope, receive, send_and_note_status)
            raise
        except Exception:
            log.exception("request.failed", method=scope["method"], path=scope["path"])
            if status:
                raise
            await respond(500, "internal_error", "internal server error")(scope, receive, send_and_note_status)
        finally:
            seconds = time.perf_counter() - start
            self._observe(scope, status, seconds)
            write = log.debug if scope["path"] in _QUIET_PATHS else log.info
            write(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                seconds=round(seconds, 4),
                caller=_caller(scope),
            )


def _caller(scope: Scope) -> str:
    """The beginning of the key's digest, by which a key's requests are found without naming it; else the address."""
    owner: str = scope.get("state", {}).get("owner", "")
    return owner[:DIGEST_SHOWN] or address(scope)
