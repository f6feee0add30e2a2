"""Routes for the calls that come by the thousand: polls, waits and submits.

FastAPI looks for each parameter and dependency of a call anew, which costs more than the call's own work. These answer
what is usual in such a call, by the functions of FastAPI's own routes, and leave all else to those: whatever is wrong
with a request, and each parameter that is not named here.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match

from api.auth import caller_of, owner_of_request
from api.rate_limit import limit_submits
from api.routes import jobs
from shared.schemas import JobRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Any

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEX = "[0-9a-f]"
_JOB = re.compile(f"/api/jobs/({_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}})")
_WAIT = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,3})?")
_JSON = re.compile(rb"application/json(?: *; *charset=utf-8)?", re.IGNORECASE)
# In the scope: what was found in the request, and what was raised for it.
_ASKED, _FAILED = "logo.asked", "logo.failed"


class _Left(Exception):
    """The request is for FastAPI's route, which reads it by `receive`."""

    def __init__(self, receive: Receive) -> None:
        super().__init__()
        self.receive = receive


class QuickRoutes:
    """ASGI middleware in front of FastAPI's router, and of what that has around each call."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._routes = (QuickGet(), QuickSubmit())

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http":
            for route in self._routes:
                if route.takes(scope):
                    return self._answer(route, scope, receive, send)
        return self._app(scope, receive, send)

    async def _answer(self, route: QuickGet | QuickSubmit, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = route  # the metrics label requests by it
        try:
            answer = await route.answer(scope, receive)
        except _Left as left:
            await self._app(scope, left.receive, send)
        except ClientDisconnect:
            return  # nobody is there to be answered
        except Exception as error:  # noqa: BLE001 - FastAPI's handlers answer it
            scope[_FAILED] = error
            await self._app(scope, receive, send)
        else:
            await answer(scope, receive, send)


class Failed(BaseRoute):
    """FastAPI's first route: raises what a quick route raised, for the handlers of errors."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return (Match.FULL if _FAILED in scope else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - a route's
        raise scope[_FAILED]


class QuickGet:
    """`GET /api/jobs/{job_id}`, plain or with `wait` and `include`."""

    path = "/api/jobs/{job_id}"

    def takes(self, scope: Scope) -> bool:
        if scope["method"] != "GET" or not (found := _JOB.fullmatch(scope["path"])):
            return False
        query = _query(scope["query_string"])
        if query is None:
            return False
        scope[_ASKED] = (found[1], *query)
        return True

    async def answer(self, scope: Scope, receive: Receive) -> Response:
        job_id, wait, include = scope.pop(_ASKED)
        structlog.contextvars.bind_contextvars(job_id=job_id)
        owner, caller = await _callers(Request(scope, receive))
        return await jobs.get(job_id, _unsent(), scope["app"].state.services, owner, caller, wait, include)


class QuickSubmit:
    """`POST /api/jobs` with a body that is right."""

    path = "/api/jobs"

    def takes(self, scope: Scope) -> bool:
        if scope["method"] != "POST" or scope["path"] != self.path or scope["query_string"]:
            return False
        kinds = [value for name, value in scope["headers"] if name in (b"content-type", b"content-encoding")]
        return len(kinds) == 1 and _JSON.fullmatch(kinds[0]) is not None

    async def answer(self, scope: Scope, receive: Receive) -> Response:
        """:raises _Left: something in the request is wrong."""
        request = Request(scope, receive)
        body = await request.body()
        key = request.headers.get("idempotency-key")
        try:
            asked = JobRequest.model_validate(json.loads(body))
        except (ValueError, RecursionError):
            asked = None
        if asked is None or (key is not None and not re.fullmatch(jobs.KEY_PATTERN, key)):
            raise _Left(_again(body, receive))
        owner, caller = await _callers(request)
        await limit_submits(request, caller)
        prefer = request.headers.getlist("prefer") or None
        return await jobs.submit(asked, _unsent(), request.app.state.services, owner, caller, key, prefer)


async def _callers(request: Request) -> tuple[str, str]:
    """The owner and the caller.

    :raises Unauthorized: the key is missing or unknown.
    """
    owner = await owner_of_request(request)
    return owner, caller_of(request, owner)


def _again(body: bytes, receive: Receive) -> Receive:
    """Receives the body that has been read, then what comes after it."""
    unread = [body]

    async def replay() -> Message:
        return {"type": "http.request", "body": unread.pop(), "more_body": False} if unread else await receive()

    return replay


def _query(text: bytes) -> tuple[float, str] | None:
    """`wait` and `include` of a query with no other names; None if FastAPI's route is to read it."""
    if not text:
        return 0, "images"
    found: dict[str, Any] = {}
    for part in text.decode("latin-1").split("&"):
        name, _, value = part.partition("=")
        if name in found:
            return None
        if name == "wait" and _WAIT.fullmatch(value) and float(value) <= jobs.MAX_WAIT_SECONDS:
            found[name] = float(value)
        elif name == "include" and value in ("images", "files", "none"):
            found[name] = value
        else:
            return None
    return found.get("wait", 0), found.get("include", "images")


def _unsent() -> Response:
    """As FastAPI hands to its routes, for the headers and the status of the answer."""
    response = Response()
    response.raw_headers.clear()
    response.status_code = None  # type: ignore[assignment] # as FastAPI's own
    return response
