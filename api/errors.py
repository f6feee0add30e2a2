"""Maps errors to HTTP answers: the only module that knows HTTP statuses, and the exception handlers of the app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgi_correlation_id import correlation_id
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from api.held_calls import CallerGone
from api.media_type import faults, unreadable
from api.methods import allowed
from shared import errors
from shared.connection import UNAVAILABLE, is_busy, is_full
from shared.observability.logging import get_logger
from shared.results.store import StoreAway

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

    from api.loop_lag import LoopLag

log = get_logger(__name__)
LATE_RETRY_SECONDS = 5

# The only table of statuses: STATUS for our own errors, HTTP_CODES for those that the framework raises.
STATUS: dict[type[errors.LogoError], int] = {
    errors.InvalidRequest: 422,
    errors.MediaTypeNotTaken: 415,
    errors.Unauthorized: 401,
    errors.UrlNotValid: 403,
    errors.JobNotFound: 404,
    errors.ImageNotFound: 404,
    errors.ModelNotFound: 404,
    errors.ContentFiltered: 422,
    errors.IdempotencyConflict: 422,
    errors.JobNotSuccessful: 409,
    errors.ImagesExpired: 410,
    errors.RangeNotSatisfiable: 416,
    errors.QueueFull: 429,
    errors.NoRoom: 429,
    errors.TooManyQueued: 429,
    errors.TooManyHigh: 429,
    errors.TooManyStreams: 429,
    errors.TooManyWaits: 429,
    errors.TooManyBytes: 429,
    errors.TooManyRequests: 429,
    errors.QuotaExceeded: 429,
    errors.ServiceUnavailable: 503,
    errors.Overloaded: 503,
    errors.StillRunning: 504,
    errors.GenerationFailed: 500,
}
UNFORESEEN = 500  # the status of an error that is in neither table
HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


def statuses_by_code() -> dict[str, int]:
    """The HTTP status of each error code."""
    ours = {kind.code: status for kind, status in STATUS.items()}
    return ours | {code: status for status, code in HTTP_CODES.items()} | {errors.LogoError.code: UNFORESEEN}


def respond(  # noqa: PLR0913 - an error answer has these parts
    status: int,
    code: str,
    message: str,
    *,
    details: Any = None,
    detail: Any = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    error: dict[str, Any] = {"code": code, "message": message}
    if details is not None:
        error["details"] = details
    body: dict[str, Any] = {"error": error, "detail": detail or message, "request_id": correlation_id.get() or ""}
    if status == 500:  # noqa: PLR2004 - the mobile app reads these two fields of a 500
        body |= {"status": "error", "message": "Internal server error"}
    return JSONResponse(body, status, headers)


async def _logo_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.LogoError)  # noqa: S101 - registered for this class
    headers = dict(error.headers)
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, errors.Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    return respond(STATUS[type(error)], error.code, error.message, details=error.details, headers=headers)


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    # The input is left out: it may be anything, even a string that cannot be encoded.
    items = faults(request, error)
    message = "; ".join(f"{'.'.join(str(part) for part in e['loc'][1:]) or 'body'}: {e['msg']}" for e in items)
    return respond(422, errors.InvalidRequest.code, message, details=items, detail=items)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    if error.status_code == 400:  # noqa: PLR2004 - FastAPI's, for a body that is not text; for other bad JSON it uses 422
        item = unreadable(request) or {"type": "json_invalid", "loc": ["body"], "msg": "JSON decode error"}
        name = item["loc"][-1]
        return respond(422, errors.InvalidRequest.code, f"{name}: {item['msg']}", details=[item], detail=[item])
    code = HTTP_CODES.get(error.status_code, "http_error")
    headers = dict(error.headers or {})
    if error.status_code == 405:  # noqa: PLR2004 - an HTTP status
        headers |= {"Allow": allowed(request.scope)}
    return respond(error.status_code, code, str(error.detail), headers=headers)


def of_late_loop(
    error: Exception, lag: LoopLag, then: str = "try again", details: dict[str, Any] | None = None
) -> errors.Overloaded | None:
    """What a caller is told of an error of Redis' client where this process was late: a time-out is not Redis' then.
    None where it was not.

    :param then: what the caller can do, the end of the message.
    """
    if not lag.was_late or is_full(error):
        return None
    log.warning("loop.too_late", seconds=round(lag.recent_seconds, 2), error=repr(error))
    return errors.Overloaded(
        f"this server was {lag.recent_seconds:.1f} s late; {then}",
        details=details,
        retry_after_seconds=LATE_RETRY_SECONDS,
    )


def of_store(error: Exception, lag: LoopLag) -> errors.LogoError:
    """What a caller is told of an error of Redis' client, or of the store of the images, whose client has threads of
    its own.
    """
    if isinstance(error, StoreAway):
        log.warning("store.unavailable", error=str(error))
        return errors.ServiceUnavailable("the image store is out of reach; try again", retry_after_seconds=2)
    if late := of_late_loop(error, lag):
        return late
    log.warning("redis.unavailable", error=repr(error))
    state = "full" if is_full(error) else "busy" if is_busy(error) else "out of reach"
    return errors.ServiceUnavailable(f"the job store is {state}; try again", retry_after_seconds=2)


async def _redis_error(request: Request, error: Exception) -> JSONResponse:
    return await _logo_error(request, of_store(error, request.app.state.lag))


async def _caller_gone(*_: object) -> Response:
    """Nobody reads it; the access log and the metrics show its status, nginx's for this."""
    return Response(status_code=499)


def install(app: FastAPI) -> None:
    app.add_exception_handler(CallerGone, _caller_gone)
    app.add_exception_handler(errors.LogoError, _logo_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    for kind in UNAVAILABLE:
        app.add_exception_handler(kind, _redis_error)
