"""The route of OpenAI's Images API, so that unchanged OpenAI clients can draw with this service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from api.auth import Caller, Keys, Owner  # noqa: TC001 - FastAPI reads the annotations
from api.deps import Deps  # noqa: TC001 - FastAPI reads the annotations
from api.image_answers import find_images, with_images
from api.openai_shapes import GeneratedImage, ImagesRequest, ImagesResponse, OpenAIRoute
from api.openapi import GENERATED
from api.openapi_errors import openai_errors_of
from api.routes.jobs import IdempotencyKey  # noqa: TC001 - FastAPI reads the annotations
from api.routes.logo import named_in_errors, succeeded
from shared.errors import InvalidRequest
from shared.representation import view
from shared.schemas import JobRequest

if TYPE_CHECKING:
    from shared.schemas import JobView

_ERRORS = (
    *("validation_error", 401, 409, 410, 413, "idempotency_conflict", "queue_full", "no_room", "too_many_queued"),
    *("too_many_requests", "too_many_waits", "too_many_bytes"),
    *("generation_failed", "internal_error", 503, "overloaded", 504),
)
router = APIRouter(prefix="/v1", tags=["OpenAI"], route_class=OpenAIRoute)


@router.post(
    "/images/generations",
    response_model=ImagesResponse,
    response_model_exclude_none=True,
    responses=GENERATED | openai_errors_of(*_ERRORS),
)
async def generate_images(  # noqa: PLR0913 - FastAPI's way of naming a request's parts
    asked: ImagesRequest,
    request: Request,
    response: Response,
    services: Deps,
    owner: Owner,
    caller: Caller,
    idempotency_key: IdempotencyKey = None,
) -> ImagesResponse | Response:
    """Draw images and wait for them, in the format of OpenAI's clients; their bearer token is the API key."""
    keys: Keys = request.app.state.keys
    if asked.response_format == "url" and keys.needed and not services.settings.url_signing_keys:
        raise InvalidRequest("response_format: url needs URL_SIGNING_KEYS, which this server does not have")
    job_request = JobRequest.model_construct(prompt=asked.prompt, sizes=[asked.pixels], num_images=asked.n or 1)
    with services.holding.hold(caller):
        request.state.submitted = True
        submitted, replayed = await services.submission.submit(job_request, owner, idempotency_key or "")
        with named_in_errors(submitted.job.id):
            reading = await succeeded(services, owner, submitted.job.id)
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    with named_in_errors(submitted.job.id):
        created = reading.job.finished_at // 1000
        base = services.settings.public_url or str(request.base_url).rstrip("/")
        if asked.response_format == "url":
            return _response_of(asked, created, view(reading, None, services.results.url, base_url=base))
        return await with_images(
            services.results,
            reading.job,
            await find_images(services.results, reading.job),
            lambda size: services.sending.hold(caller, size, refuse=replayed),
            lambda texts: _response_of(asked, created, view(reading, texts, services.results.url)),
            response,
            exclude_none=True,
        )


def _response_of(asked: ImagesRequest, created: int, seen: JobView) -> ImagesResponse:
    size = str(asked.pixels)
    if asked.response_format == "url":
        urls = [variation.urls for variation in seen.variations] or [seen.urls.images]
        data = [GeneratedImage(url=of_size[size]) for of_size in urls]
    else:
        encoded = [variation.images or {} for variation in seen.variations] or [seen.images or {}]
        data = [GeneratedImage(b64_json=of_size[size]) for of_size in encoded]
    return ImagesResponse(created=created, data=data, size=f"{size}x{size}")
