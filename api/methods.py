"""ASGI middleware for requests that are legal or usual, though no route has them: HEAD, OPTIONS, doubled slashes and
slashes at the end.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Match

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

AS_HEAD = "logo.head"  # in the scope of a GET that a HEAD became
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def allowed(scope: Scope) -> str:
    """The methods that the path of `scope` has, for the header `Allow`; empty if no route has the path.

    Starlette itself names those of one route only, and a path may have several.
    """
    routes = scope["app"].routes
    found = [
        method
        for method in _METHODS
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    if "GET" in found:
        found.insert(1, "HEAD")
    return ", ".join([*found, "OPTIONS"] if found else [])


def plain(path: str) -> str:
    """The path as the routes have it."""
    return re.sub("//+", "/", path).rstrip("/") or "/"


class Methods:
    """A base URL that ends in a slash makes paths such as `/v1//images`: a path's doubled slashes count as one, and one
    at its end as none.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        path = plain(scope["path"])
        # A proxy may leave the prefix in place: the paths of routes and of signed URLs are without it.
        root = scope.get("root_path", "")
        scope["path"] = path.removeprefix(root) if path.startswith(f"{root}/") else path
        if root and path == root:
            scope["path"] = "/"
        if scope["method"] == "HEAD":
            return self._head(scope, send)
        if scope["method"] == "OPTIONS" and (methods := self._allowed(scope)):
            return Response(status_code=204, headers={"Allow": methods})(scope, receive, send)
        return self._app(scope, receive, send)

    def _allowed(self, scope: Scope) -> str:
        """`OPTIONS *` asks for those of the whole server."""
        return "GET, HEAD, POST, DELETE, OPTIONS" if scope["path"] == "*" else allowed(scope)

    async def _head(self, scope: Scope, send: Send) -> None:
        """Answers as a GET of the whole does, without the body: a Range has a meaning for GET only (RFC 9110, 14.2)."""
        headers = [header for header in scope["headers"] if header[0] != b"range"]
        as_get = {**scope, "method": "GET", "headers": headers, AS_HEAD: True}
        body: Message = {"type": "http.request", "body": b"", "more_body": False}
        unread = [body]
        answered = asyncio.Event()

        async def receive() -> Message:
            if unread:
                return unread.pop()
            await answered.wait()
            return {"type": "http.disconnect"}

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                answered.set()

        try:
            await self._app(as_get, receive, send_head)
        finally:
            if "route" in as_get:
                scope["route"] = as_get["route"]  # the metrics label requests by it
