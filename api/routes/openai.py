"""The route of OpenAI's Images API, so that unchanged OpenAI clients can draw with this service."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.auth import Keys, Owner  # noqa: TC001 - FastAPI reads the annotations
from api.deps import Deps  # noqa: TC001 - FastAPI reads the annotations
from api.openai_shapes import GeneratedImage, ImagesRequest, ImagesResponse, OpenAIRoute
from api.openapi import GENERATED
from api.openapi_errors import openai_errors_of
from api.results import load_images
from api.routes.jobs import IdempotencyKey  # noqa: TC001 - FastAPI reads the annotations
from api.routes.logo import named_in_errors, succeeded
from shared.errors import ImagesExpired, InvalidRequest
from shared.representation import view
from shared.schemas import JobRequest

_ERRORS = (
    *("validation_error", 401, 409, 410, 413, "idempotency_conflict", "queue_full", "no_room", "too_many_queued"),
    *("too_many_requests", "generation_failed", "internal_error", 503, 504),
)
router = APIRouter(prefix="/v1", tags=["OpenAI"], route_class=OpenAIRoute)


@router.post(
    "/images/generations",
    response_model_exclude_none=True,
    responses=GENERATED | openai_errors_of(*_ERRORS),
)
async def generate_images(  # noqa: PLR0913 - FastAPI's way of naming a request's parts
    asked: ImagesRequest,
    request: Request,
    response: Response,
    services: Deps,
    owner: Owner,
    idempotency_key: IdempotencyKey = None,
) -> ImagesResponse:
    """Draw images and wait for them, in the format of OpenAI's clients; their bearer token is the API key."""
    keys: Keys = request.app.state.keys
    if asked.response_format == "url" and keys.needed and not services.settings.url_signing_keys:
        raise InvalidRequest("response_format: url needs URL_SIGNING_KEYS, which this server does not have")
    job_request = JobRequest.model_construct(prompt=asked.prompt, sizes=[asked.pixels], num_images=asked.n or 1)
    request.state.submitted = True
    submitted, replayed = await services.submission.submit(job_request, owner, idempotency_key or "")
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    images = None
    with named_in_errors(submitted.job.id):
        reading = await succeeded(services, owner, submitted.job.id)
        if asked.response_format != "url":
            images = await load_images(services.results, reading.job)
            if not images:
                raise ImagesExpired("the image has expired; ask again with another Idempotency-Key")
    base = services.settings.public_url or str(request.base_url).rstrip("/")
    seen = view(reading, images, services.results.url, base_url=base)
    if images is None:
        found = [variation.urls for variation in seen.variations] or [seen.urls.images]
        data = [GeneratedImage(url=urls[str(asked.pixels)]) for urls in found]
    else:
        encoded = [variation.images or {} for variation in seen.variations] or [seen.images or {}]
        data = [GeneratedImage(b64_json=of_size[str(asked.pixels)]) for of_size in encoded]
    size = f"{asked.pixels}x{asked.pixels}"
    return ImagesResponse(created=reading.job.finished_at // 1000, data=data, size=size)
