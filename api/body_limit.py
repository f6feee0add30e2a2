"""ASGI middleware that bounds request bodies. Starlette's own bound answers in plain text; our errors are JSON.

The error is raised where the route reads the body, so that each route answers in its own error format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from api.multipart import is_multipart

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    def __init__(
        self, app: ASGIApp, max_bytes: int, longer: dict[str, int] | None = None, forms: dict[str, int] | None = None
    ) -> None:
        """`longer`: the bound of each path that has one of its own; `forms`: of a body with a file (multipart)."""
        self.app = app
        self._max_bytes = max_bytes
        self._longer = longer or {}
        self._forms = forms or {}

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        # No route reads the body of another method.
        if scope["type"] != "http" or scope["method"] != "POST":
            return self.app(scope, receive, send)
        max_bytes = self._longer.get(scope["path"], self._max_bytes)
        if is_multipart(Headers(scope=scope).get("content-type", "")):
            max_bytes = self._forms.get(scope["path"], max_bytes)
        refusal = f"body: more than {max_bytes} bytes"
        declared = Headers(scope=scope).get("content-length", "")
        # A body without a declared length is counted as it arrives.
        received = 0
        too_large = declared.isdigit() and int(declared) > max_bytes

        async def bounded() -> Message:
            nonlocal received
            if too_large:
                raise HTTPException(413, refusal)
            message = await receive()
            received += len(message.get("body", b""))
            if received > max_bytes:
                raise HTTPException(413, refusal)
            return message

        return self.app(scope, bounded, send)
