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
    from typing import Any

    from starlette.types import Message, Receive, Scope, Send

_HEX = "[0-9a-f]"
_JOB = re.compile(f"/api/jobs/({_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}})")
_WAIT = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,3})?")
_JSON = re.compile(rb"application/json(?: *; *charset=utf-8)?", re.IGNORECASE)
_ASKED = "logo.asked"  # in the scope: what was found in the request


class QuickGet(BaseRoute):
    """`GET /api/jobs/{job_id}`, plain or with `wait` and `include`."""

    path = "/api/jobs/{job_id}"

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or scope["method"] != "GET" or not (found := _JOB.fullmatch(scope["path"])):
            return Match.NONE, {}
        query = _query(scope["query_string"])
        if query is None:
            return Match.NONE, {}
        return Match.FULL, {"route": self, "path_params": {"job_id": found[1]}, _ASKED: (found[1], *query)}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        job_id, wait, include = scope[_ASKED]
        structlog.contextvars.bind_contextvars(job_id=job_id)
        owner = await owner_of_request(request)
        answer = await jobs.get(
            job_id, _unsent(), request.app.state.services, owner, caller_of(request, owner), wait, include
        )
        await answer(scope, receive, send)


class QuickSubmit(BaseRoute):
    """`POST /api/jobs` with a body that is right."""

    path = "/api/jobs"

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != self.path or scope["query_string"]:
            return Match.NONE, {}
        kinds = [value for name, value in scope["headers"] if name in (b"content-type", b"content-encoding")]
        if len(kinds) != 1 or not _JSON.fullmatch(kinds[0]):
            return Match.NONE, {}
        return Match.FULL, {"route": self, "path_params": {}}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        try:
            body = await request.body()
        except ClientDisconnect:
            return  # nobody is there to be answered
        key = request.headers.get("idempotency-key")
        try:
            asked = JobRequest.model_validate(json.loads(body))
        except (ValueError, RecursionError):
            asked = None
        if asked is None or (key is not None and not re.fullmatch(jobs.KEY_PATTERN, key)):
            await self._leave(scope, body, receive, send)
            return
        owner = await owner_of_request(request)
        caller = caller_of(request, owner)
        await limit_submits(request, caller)
        prefer = request.headers.getlist("prefer") or None
        answer = await jobs.submit(asked, _unsent(), request.app.state.services, owner, caller, key, prefer)
        await answer(scope, receive, send)

    async def _leave(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """Hands the request to FastAPI's route, with the body that has been read."""
        unread = [body]

        async def replay() -> Message:
            return {"type": "http.request", "body": unread.pop(), "more_body": False} if unread else await receive()

        for route in scope["app"].router.routes:
            if route is self:
                continue
            match, found = route.matches(scope)
            if match is Match.FULL:
                scope.update(found)
                await route.handle(scope, replay, send)
                return


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
