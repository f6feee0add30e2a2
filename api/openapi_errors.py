"""The documented error responses of each route in the OpenAPI page: an example for every code, and the headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.errors import statuses_by_code
from api.openai_errors import OPENAI_CODES, OpenAIErrorResponse
from api.replicate_errors import Problem
from shared.schemas import ErrorResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pydantic import BaseModel

# An example message for each code. A status that a route names instead of a code stands for its first code here.
EXAMPLES: dict[str, str] = {
    "unauthorized": "a valid API key is needed: 'Authorization: Bearer KEY' or 'X-API-Key: KEY'",
    "url_not_valid": "expires: this URL has expired; read the job again for a new one",
    "job_not_found": "no job has the id 3f0c2d0e-6a5b-4f53-8d43-6f3a2f9f8f10",
    "image_not_found": "name: this job has 256.png, 512.png, logo.svg, not 64.png",
    "model_not_found": "the model 'gpt-5' does not exist; GET /v1/models lists those that do",
    "job_not_successful": "the job is canceled, it has no images",
    "images_expired": "the images of this job have expired; submit it again with the same seed",
    "body_too_large": "body: more than 65536 bytes",
    "media_type_not_taken": "image: must be image/png, image/jpeg, image/webp, not image/gif",
    "range_not_satisfiable": "Range: the image has 48213 bytes",
    "validation_error": "prompt: String should have at least 3 characters",
    "idempotency_conflict": "Idempotency-Key: this key was used for a request with another body",
    "content_filtered": "prompt: this server does not draw this",
    "queue_full": "1000 jobs are queued, the bound is 1000",
    "no_room": "there is no room for the result, which may take 15728640 bytes; try again later",
    "too_many_queued": "250 jobs of this key are queued, the bound is 250",
    "too_many_high": "20 jobs of high priority of this key are queued, the bound is 20",
    "too_many_streams": "200 streams of this caller are open here, the bound is 200",
    "too_many_waits": "500 calls of this caller are held here, the bound is 500",
    "too_many_bytes": "1000000000 bytes of images of this caller are held here, the bound is 1073741824",
    "too_many_requests": "more than 60 per 1 minute from this caller",
    "quota_exceeded": "this key's quota is 9 images a month, 0 are left; it is renewed at 2026-12-01T00:00:00Z",
    "generation_failed": "Failed to generate logo: the model's output was not finite",
    "internal_error": "internal server error",
    "service_unavailable": "the job store is out of reach; try again",
    "overloaded": "4000000000 bytes of images are held here, the bound is 4294967296",
    "still_running": "the logo was not ready within 300 s; the job goes on",
}
_STATUS = statuses_by_code()
_PRIMARY = {_STATUS[code]: code for code in reversed(EXAMPLES)}
HEADERS = {
    "Accept-Ranges": "`bytes`: one range may be asked for.",
    "Cache-Control": "Image: private and immutable. Event stream: `no-store`. Styles and their pictures: public. Page: "
    "`no-cache`.",
    "Content-Disposition": "Of a zip: `attachment`, with its name.",
    "Content-Range": "The range of these bytes, or the image's length.",
    "Content-Security-Policy": "Of an SVG: nothing in it runs or is loaded. Of a page: only files of this server.",
    "ETag": "For `If-None-Match` and `If-Range`.",
    "Idempotent-Replayed": "`true`: an earlier submit with this key created the job.",
    "Location": "The job's URL, or the image's in the store.",
    "Preference-Applied": "`wait=N`: the seconds that were applied.",
    "Retry-After": "Seconds to wait before the next request.",
    "Vary": "`Accept`: a browser gets an HTML page.",
    "WWW-Authenticate": "`Bearer`.",
    "X-Accel-Buffering": "`no`: nginx must hand each event on at once.",
    "X-Content-Type-Options": "`nosniff`.",
    "X-Quota-Remaining": "Images, or seconds of GPU time, that are left of the key's quota of this month.",
    "X-Request-ID": "The caller's own, or a generated one; the server logs it.",
    "X-Should-Retry": "`false`: a retry would draw another image.",
}
_HEADER_OF = {401: "WWW-Authenticate", 416: "Content-Range", 429: "Retry-After", 503: "Retry-After", 504: "Retry-After"}
# OpenAI's clients repeat these statuses by themselves.
_OPENAI_HEADERS = dict.fromkeys((409, 429, 500, 503, 504), ("X-Should-Retry",))
_OPENAI_TYPES = {429: "rate_limit_error", 500: "server_error", 503: "server_error", 504: "server_error"}


def headers_of(*names: str) -> dict[str, Any]:
    return {name: {"description": HEADERS[name], "schema": {"type": "string"}} for name in names}


def errors_of(*which: int | str) -> dict[int | str, dict[str, Any]]:
    """The error responses for `which`, by status. Each of `which` is a code, or a status for its first code."""
    return {status: _answer(status, ErrorResponse, found) for status, found in _by_status(which, _body).items()}


def openai_errors_of(*which: int | str) -> dict[int | str, dict[str, Any]]:
    """As `errors_of`, in OpenAI's format: validation errors are 400, an unknown key is `invalid_api_key`."""
    answers = _by_status(which, _openai_body)
    codes = answers.get(422, {})
    bad = [code for code in ("validation_error", "content_filtered") if code in codes]
    answers[400] = {OPENAI_CODES.get(code, code): codes.pop(code) for code in bad}
    if 401 in answers:  # noqa: PLR2004 - an HTTP status
        answers[401] = {"invalid_api_key": answers[401]["unauthorized"]}
    return {
        status: _answer(status, OpenAIErrorResponse, found, _OPENAI_HEADERS.get(status, ()))
        for status, found in answers.items()
        if found
    }


def replicate_errors_of(*which: int | str) -> dict[int | str, dict[str, Any]]:
    """As `errors_of`, in Replicate's format."""
    return {status: _answer(status, Problem, found) for status, found in _by_status(which, _problem).items()}


def _problem(code: str) -> dict[str, Any]:
    return {"title": code, "detail": EXAMPLES[code], "status": _STATUS[code]}


def _by_status(which: Iterable[int | str], body: Callable[[str], dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """The example body of each code, by status and code."""
    found: dict[int, dict[str, Any]] = {}
    for item in which:
        code = _PRIMARY[item] if isinstance(item, int) else item
        found.setdefault(_STATUS[code], {})[code] = body(code)
    return found


def _answer(
    status: int, model: type[BaseModel], examples: dict[str, dict[str, Any]], headers: tuple[str, ...] = ()
) -> dict[str, Any]:
    own: tuple[str, ...] = (_HEADER_OF[status],) if status in _HEADER_OF else ()
    own += ("X-Quota-Remaining",) if "quota_exceeded" in examples else ()
    return {
        "model": model,
        "description": ", ".join(code.replace("_", " ") for code in examples),
        "headers": headers_of(*own, *headers),
        "content": {"application/json": {"examples": {code: {"value": body} for code, body in examples.items()}}},
    }


def _openai_body(code: str) -> dict[str, Any]:
    status, message = _STATUS[code], EXAMPLES[code]
    shown = OPENAI_CODES.get(code, code)
    kind = _OPENAI_TYPES.get(status, "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": shown}}


def _body(code: str) -> dict[str, Any]:
    message = EXAMPLES[code]
    body: dict[str, Any] = {"error": {"code": code, "message": message}, "detail": message, "request_id": "b7e1"}
    if code == "validation_error":
        # Only this error has a list as its detail.
        body["detail"] = [{"type": "string_too_short", "loc": ["body", "prompt"], "msg": message.split(": ")[1]}]
    if _STATUS[code] == 500:  # noqa: PLR2004 - the mobile app reads these two fields of a 500
        body |= {"status": "error", "message": "Internal server error"}
    return body
