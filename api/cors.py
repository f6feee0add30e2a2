"""Which web pages may read the API's answers (CORS_ORIGINS).

Without API keys all callers are one. A page of any origin in a browser that reaches the API may then draw, and read the
jobs whose ids it has, but it may not learn the ids of others' jobs: it is not shown the list, and /health names none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.middleware.cors import CORSMiddleware

from api.methods import plain

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from fastapi import Request
    from starlette.datastructures import Headers
    from starlette.types import ASGIApp, Receive, Scope, Send

_LIST = "/api/jobs"


def for_any_page(request: Request) -> bool:
    """Whether the answer can be read by a page of any origin. A browser sends `Origin` with each such request."""
    return bool(request.app.state.open_to_any_page) and "origin" in request.headers


class Cors(CORSMiddleware):
    def __init__(self, app: ASGIApp, /, *, open_to_any_page: bool, **options: Any) -> None:
        super().__init__(app, **options)
        self._open = open_to_any_page

    def simple_response(
        self, scope: Scope, receive: Receive, send: Send, request_headers: Headers
    ) -> Coroutine[Any, Any, None]:
        if self._open and scope["method"] in ("GET", "HEAD") and plain(scope["path"]).endswith(_LIST):
            # Without the header by which a browser shows it to the page.
            return self.app(scope, receive, send)  # type: ignore[return-value] # the next middleware's is one
        return super().simple_response(scope, receive, send, request_headers)
