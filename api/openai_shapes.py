"""The request, response and error schemas of OpenAI's Images API, as far as this service supports them.

api/routes/openai.py uses them; `OpenAIRoute` turns every error of a call into OpenAI's format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from api.errors import STATUS, UNFORESEEN
from api.media_type import faults
from shared import errors
from shared.connection import UNAVAILABLE
from shared.observability.logging import get_logger
from shared.schemas import MAX_IMAGES, MAX_SIZE, MIN_SIZE, PROMPT_EXAMPLE, NotBoolean, Prompt, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fastapi import Request, Response
    from pydantic.config import JsonDict
    from starlette.types import Scope

log = get_logger(__name__)
DEFAULT_SIZE = 1024


_WHOLE_EXAMPLE: JsonDict = {
    "prompt": PROMPT_EXAMPLE,
    "n": 2,
    "size": "512x512",
    "response_format": "url",
    "output_format": "png",
    "background": "opaque",
    "quality": "auto",
    "moderation": "auto",
    "stream": False,
    "model": "gpt-image-1",
    "user": "someone",
}


def _square(size: str) -> str:
    width, _, height = size.partition("x")
    if size != "auto" and (width != height or not MIN_SIZE <= int(width) <= MAX_SIZE):
        raise invalid(f"only squares of {MIN_SIZE} to {MAX_SIZE} pixels, such as 512x512, or auto")
    return size


class ImagesRequest(BaseModel):
    """The fields and values that this service supports; a request with any other is refused by the field's name."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"prompt": PROMPT_EXAMPLE, "size": "512x512"}, _WHOLE_EXAMPLE]}
    )

    prompt: Prompt
    n: Annotated[int | None, NotBoolean] = Field(1, ge=1, le=MAX_IMAGES, description="Variations of the prompt.")
    size: Annotated[str, Field(pattern=r"^(auto|\d{2,4}x\d{2,4})$"), AfterValidator(_square)] | None = Field(
        "auto", description=f"A square, such as `512x512`; auto: {DEFAULT_SIZE}x{DEFAULT_SIZE}."
    )
    response_format: Literal["b64_json", "url"] | None = Field(
        "b64_json", description="A URL is valid as long as the image is kept."
    )
    output_format: Literal["png"] | None = Field("png", description="PNG only.")
    background: Literal["auto", "opaque"] | None = Field("auto", description="Both mean opaque.")
    quality: Literal["auto"] | None = Field("auto", description="One quality only.")
    moderation: Literal["auto"] | None = Field("auto", description="Nothing is moderated.")
    stream: Literal[False] | None = Field(False, description="Streaming is not supported.")
    model: str | None = Field(None, description="Accepted and ignored: the server has one model.")
    user: str | None = Field(None, description="Accepted and ignored.")

    @property
    def pixels(self) -> int:
        return DEFAULT_SIZE if self.size in (None, "auto") else int(str(self.size).partition("x")[0])


class GeneratedImage(BaseModel):
    b64_json: str | None = None
    url: str | None = None


class ImagesResponse(BaseModel):
    created: int = Field(description="Seconds since the epoch.")
    data: list[GeneratedImage]
    background: Literal["opaque"] = "opaque"
    output_format: Literal["png"] = "png"
    size: str


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
            except Exception as error:  # noqa: BLE001 - any error is logged and answered in OpenAI's format
                keyed = "idempotency-key" in request.headers
                return _logo_error(_as_logo_error(error), retry_is_safe=keyed or not submitted(request.scope))

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


def _as_logo_error(error: Exception) -> errors.LogoError:
    if isinstance(error, errors.LogoError):
        return error
    if isinstance(error, UNAVAILABLE):
        log.warning("redis.unavailable", error=repr(error))
        return errors.ServiceUnavailable("the job store is out of reach; try again", retry_after_seconds=2)
    log.error("request.failed", exc_info=error)
    return errors.LogoError("internal server error")


def _logo_error(error: errors.LogoError, *, retry_is_safe: bool) -> JSONResponse:
    status = 400 if isinstance(error, errors.InvalidRequest) else STATUS.get(type(error), UNFORESEEN)
    kind = "server_error" if status >= 500 else "rate_limit_error" if status == 429 else "invalid_request_error"  # noqa: PLR2004
    headers = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, (errors.JobNotSuccessful, errors.GenerationFailed)) or (status >= 500 and not retry_is_safe):  # noqa: PLR2004
        headers["X-Should-Retry"] = "false"
    code = error.code
    if isinstance(error, errors.Unauthorized):
        code, headers["WWW-Authenticate"] = "invalid_api_key", "Bearer"
    return _respond(status, kind, error.message, code, None, headers)


def _respond(  # noqa: PLR0913 - an error answer has these parts
    status: int, kind: str, message: str, code: str, param: str | None, headers: dict[str, str] | None = None
) -> JSONResponse:
    body = OpenAIErrorResponse(error=OpenAIError(message=message, type=kind, param=param, code=code))
    return JSONResponse(body.model_dump(), status, headers)
