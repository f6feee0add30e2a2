"""Errors in the format of Replicate's API, which are RFC 7807's problem details."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from api.errors import STATUS, UNFORESEEN
from api.media_type import faults
from api.openai_errors import as_logo_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from fastapi import FastAPI, Request, Response


class Problem(BaseModel):
    """`title` is the error's code."""

    title: str
    detail: str
    status: int


class ReplicateRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_as_replicate(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                items = faults(request, error)
                lines = [f"- {'.'.join(str(part) for part in e['loc'][1:]) or 'body'}: {e['msg']}" for e in items]
                return respond(422, "validation_error", "\n".join(lines))
            except HTTPException as error:
                # A body that is too large (413), or that is not text.
                too_large = error.status_code == 413  # noqa: PLR2004 - an HTTP status
                return (
                    respond(413, "body_too_large", str(error.detail))
                    if too_large
                    else respond(422, "validation_error", "- body: JSON decode error")
                )
            except Exception as error:  # noqa: BLE001 - any error is logged and answered in Replicate's format
                found = as_logo_error(error, request.app.state.lag)
                after = found.retry_after_seconds
                headers = dict(found.headers) | ({"Retry-After": str(after)} if after is not None else {})
                status = STATUS.get(type(found), UNFORESEEN)
                if status == 401:  # noqa: PLR2004 - an HTTP status
                    headers["WWW-Authenticate"] = "Bearer"
                return respond(status, found.code, found.message, headers)

        return handle_as_replicate


def is_replicates(path: str) -> bool:
    return path.startswith("/v1/") and (path.startswith("/v1/predictions") or path.endswith("/predictions"))


def respond(status: int, title: str, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(Problem(title=title, detail=detail, status=status).model_dump(), status, headers)


def install(app: FastAPI) -> None:
    """Answers unknown paths and methods below /v1/predictions in Replicate's format, after OpenAI's are installed."""
    others = cast("Callable[[Request, Exception], Awaitable[Response]]", app.exception_handlers[HTTPException])

    async def answer(request: Request, error: Exception) -> Response:
        answered = await others(request, error)
        path = request.url.path.removeprefix(request.scope.get("root_path", ""))
        if not is_replicates(path) or answered.status_code not in (404, 405):
            return answered
        methods = answered.headers.get("Allow")
        headers = {"Allow": methods} if methods else {}
        return respond(answered.status_code, "unknown_url", f"{request.method} {path} is not supported", headers)

    app.add_exception_handler(HTTPException, answer)
