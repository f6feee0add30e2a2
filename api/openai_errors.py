"""Errors in the format of OpenAI's API: `OpenAIRoute` makes them of a call's errors, `install` of those of routing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from api.errors import STATUS, UNFORESEEN, of_store
from api.held_calls import CallerGone
from api.media_type import faults
from shared import errors
from shared.connection import UNAVAILABLE
from shared.observability.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from fastapi import FastAPI, Request, Response
    from starlette.types import Scope

    from api.loop_lag import LoopLag

log = get_logger(__name__)
# Where OpenAI has a code of its own.
OPENAI_CODES = {"unauthorized": "invalid_api_key", "content_filtered": "content_policy_violation"}
_CALLS = (
    "this server has POST /v1/images/generations, /v1/images/edits and /v1/images/variations, GET /v1/models and "
    "GET /v1/models/{model}"
)


class OpenAIError(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIErrorResponse(BaseModel):
    error: OpenAIError


class OpenAIRoute(APIRoute):
    """A route whose errors have OpenAI's format, so that OpenAI's clients raise the exceptions their users expect.

    OpenAI's client repeats a 409 and every 5xx by itself, without an idempotency key. Once `request.state.submitted` is
    set, a repeat would create another job, so the answer says `X-Should-Retry: false`.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_as_openai(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                return _validation_error(request, error)
            except HTTPException as error:
                return _body_error(error)
            except CallerGone:
                raise
            except Exception as error:  # noqa: BLE001 - any error is logged and answered in OpenAI's format
                keyed = "idempotency-key" in request.headers
                found = as_logo_error(error, request.app.state.lag)
                return _logo_error(found, retry_is_safe=keyed or not submitted(request.scope))

        return handle_as_openai


def submitted(scope: Scope) -> bool:
    """Whether this call has begun to submit its job, so that the job may exist."""
    return bool(scope.get("state", {}).get("submitted"))


def _validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
    first = faults(request, error)[0]
    if first["type"] == "json_invalid":
        return _invalid_json()
    param = ".".join(str(part) for part in first["loc"][1:]) or "body"
    message = "this server does not have this parameter" if first["type"] == "extra_forbidden" else first["msg"]
    return _respond(400, "invalid_request_error", f"{param}: {message}", errors.InvalidRequest.code, param)


def _body_error(error: HTTPException) -> JSONResponse:
    """The answer to a body that is too large (api/body_limit.py), or that is not text (FastAPI's 400)."""
    if error.status_code == 413:  # noqa: PLR2004 - an HTTP status
        return _respond(413, "invalid_request_error", error.detail, "body_too_large", None)
    return _invalid_json()


def _invalid_json() -> JSONResponse:
    return _respond(400, "invalid_request_error", "body: JSON decode error", errors.InvalidRequest.code, None)


def as_logo_error(error: Exception, lag: LoopLag) -> errors.LogoError:
    if isinstance(error, errors.LogoError):
        return error
    if isinstance(error, UNAVAILABLE):
        return of_store(error, lag)
    log.error("request.failed", exc_info=error)
    return errors.LogoError("internal server error")


def _logo_error(error: errors.LogoError, *, retry_is_safe: bool) -> JSONResponse:
    status = _status_of(error)
    headers = dict(error.headers)
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    # Of a quota too: its client would try again at once, because the month's end is too far away for it.
    final = (errors.JobNotSuccessful, errors.GenerationFailed, errors.QuotaExceeded)
    if isinstance(error, final) or (status >= 500 and not retry_is_safe):  # noqa: PLR2004
        headers["X-Should-Retry"] = "false"
    if isinstance(error, errors.Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    code = OPENAI_CODES.get(error.code, error.code)
    param = (error.details or {}).get("field")
    return _respond(status, _type_of(status), error.message, code, param, headers)


def error_of(error: Exception, lag: LoopLag) -> OpenAIError:
    """What a stream that has begun tells of an error."""
    found = as_logo_error(error, lag)
    code = OPENAI_CODES.get(found.code, found.code)
    return OpenAIError(message=found.message, type=_type_of(_status_of(found)), param=None, code=code)


def respond_as_openai(status: int, code: str, message: str, *, headers: dict[str, str]) -> JSONResponse:
    return _respond(status, _type_of(status), message, code, None, headers)


def _status_of(error: errors.LogoError) -> int:
    return (
        400
        if isinstance(error, (errors.InvalidRequest, errors.ContentFiltered))
        else STATUS.get(type(error), UNFORESEEN)
    )


def _type_of(status: int) -> str:
    return "server_error" if status >= 500 else "rate_limit_error" if status == 429 else "invalid_request_error"  # noqa: PLR2004


def _respond(  # noqa: PLR0913 - an error answer has these parts
    status: int, kind: str, message: str, code: str, param: str | None, headers: dict[str, str] | None = None
) -> JSONResponse:
    body = OpenAIErrorResponse(error=OpenAIError(message=message, type=kind, param=param, code=code))
    return JSONResponse(body.model_dump(), status, headers)


def install(app: FastAPI) -> None:
    """Answers unknown paths and methods below /v1 in OpenAI's format; the other handlers must be installed before."""
    others = cast("Callable[[Request, Exception], Awaitable[Response]]", app.exception_handlers[HTTPException])

    async def answer(request: Request, error: Exception) -> Response:
        answered = await others(request, error)
        path = request.url.path.removeprefix(request.scope.get("root_path", ""))
        if not path.startswith("/v1/") or answered.status_code not in (404, 405):
            return answered
        message = f"{request.method} {path} is not supported: {_CALLS}"
        methods = answered.headers.get("Allow")
        headers = {"Allow": methods} if methods else {}
        return _respond(answered.status_code, "invalid_request_error", message, "unknown_url", None, headers)

    app.add_exception_handler(HTTPException, answer)
