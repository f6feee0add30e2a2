"""OpenAI's Images API: its unchanged clients generate here."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.auth import Owner  # noqa: TC001 - FastAPI reads the annotations
from api.deps import Deps  # noqa: TC001 - as above
from api.openai_shapes import GeneratedImage, ImagesRequest, ImagesResponse, OpenAIRoute
from api.openapi import GENERATED
from api.openapi_errors import openai_errors_of
from api.routes.jobs import IdempotencyKey  # noqa: TC001 - as above
from api.routes.logo import succeeded
from shared.errors import ImagesExpired, InvalidRequest
from shared.images import load_images
from shared.representation import view
from shared.schemas import JobRequest

router = APIRouter(prefix="/v1", tags=["OpenAI"], route_class=OpenAIRoute)


@router.post(
    "/images/generations",
    response_model_exclude_none=True,
    responses=GENERATED | openai_errors_of(400, 401, 409, 410, 422, 429, 500, 503, 504),
)
async def generate_images(  # noqa: PLR0913 - FastAPI's way of naming a request's parts
    asked: ImagesRequest,
    request: Request,
    response: Response,
    services: Deps,
    owner: Owner,
    idempotency_key: IdempotencyKey = None,
) -> ImagesResponse:
    """Draw an image and wait for it, as OpenAI's clients ask for it; the API key is their bearer token."""
    if asked.response_format == "url" and services.settings.api_keys and not services.settings.url_signing_keys:
        raise InvalidRequest("response_format: without URL_SIGNING_KEYS this server has no URLs that need no API key")
    job_request = JobRequest.model_construct(prompt=asked.prompt, sizes=[asked.pixels])
    job_id, replayed = await services.submission.submit(job_request, owner, idempotency_key or "")
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    reading = await succeeded(services, owner, job_id)
    if asked.response_format == "url":
        base = services.settings.public_url or str(request.base_url).rstrip("/")
        seen = view(reading, None, services.signer, base_url=base)
        data = [GeneratedImage(url=url) for url in seen.urls.images.values()]
    else:
        images = await load_images(services.client, job_id, reading.job.attempt)
        if not images:
            raise ImagesExpired("the image has expired; ask again with another Idempotency-Key")
        data = [GeneratedImage(b64_json=image) for image in images.values()]
    size = f"{asked.pixels}x{asked.pixels}"
    return ImagesResponse(created=reading.job.finished_at // 1000, data=data, size=size)
