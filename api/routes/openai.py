"""The routes of OpenAI's Images API, so that unchanged OpenAI clients can draw with this service."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from api import quota
from api.auth import Caller, Keys, Owner  # noqa: TC001 - FastAPI reads the annotations
from api.deps import Deps  # noqa: TC001 - FastAPI reads the annotations
from api.image_answers import answer_of, find_images, with_images
from api.inputs import input_of
from api.multipart import UploadRoute
from api.openai_errors import OpenAIRoute
from api.openai_shapes import (
    EditsRequest,
    ImagesRequest,
    ImagesResponse,
    Model,
    ModelList,
    VariationsRequest,
    generated,
)
from api.openai_stream import ImageStream
from api.openapi import EDIT_FORM, GENERATED, MODEL, MODEL_NAME, MODELS, VARIATION_FORM
from api.openapi_errors import openai_errors_of
from api.routes.jobs import IdempotencyKey  # noqa: TC001 - FastAPI reads the annotations
from api.routes.logo import named_in_errors, succeeded
from shared import workers
from shared.errors import InvalidRequest, ModelNotFound
from shared.representation import view

if TYPE_CHECKING:
    from api.deps import Services
    from api.held_calls import HeldCall
    from shared.jobs import Job
    from shared.ledger.replies import Reading
    from shared.schemas import JobView

_ERRORS = (
    *("validation_error", 401, 409, 410, 413, "idempotency_conflict", "queue_full", "no_room", "too_many_queued"),
    *("content_filtered", "too_many_requests", "quota_exceeded", "too_many_waits", "too_many_bytes"),
    *("generation_failed", "internal_error", 503, "overloaded", 504),
)
# Names that clients offer only if the server lists them, or that they test the connection with.
_ALIASES = ("gpt-image-1", "gpt-image-1-mini", "gpt-image-1.5", "gpt-image-2", "dall-e-2", "dall-e-3")


class _Route(OpenAIRoute, UploadRoute):
    """A form is read as JSON is, and its errors are OpenAI's too."""


router = APIRouter(prefix="/v1", tags=["OpenAI"], route_class=_Route)


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
) -> Response:
    """Draw images and wait for them, in the format of OpenAI's clients; their bearer token is the API key.

    With `stream` the answer is a stream of the events `image_generation.partial_image`, if the server makes previews,
    and `image_generation.completed`, one for each image, or `error`.
    """
    as_url = _wants_url(asked, request, services)
    return await _draw(asked, None, request, response, services, owner, caller, idempotency_key or "", as_url=as_url)


@router.post(
    "/images/edits",
    response_model=ImagesResponse,
    response_model_exclude_none=True,
    responses=GENERATED | openai_errors_of(*_ERRORS, 415),
    openapi_extra=EDIT_FORM,
)
async def edit_images(  # noqa: PLR0913 - as above
    asked: EditsRequest,
    request: Request,
    response: Response,
    services: Deps,
    owner: Owner,
    caller: Caller,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """As generations, from an image (`multipart/form-data`). There are no masks: the whole image changes."""
    as_url = _wants_url(asked, request, services)
    started, image = await input_of(services, asked.started, owner)
    canvas = max(started.canvases) if started.has_shape else asked.pixels
    asked = asked.model_copy(update={"size": f"{canvas.width}x{canvas.height}"})
    return await _draw(asked, image, request, response, services, owner, caller, idempotency_key or "", as_url=as_url)


@router.post(
    "/images/variations",
    response_model=ImagesResponse,
    response_model_exclude_none=True,
    responses=GENERATED | openai_errors_of(*_ERRORS, 415),
    openapi_extra=VARIATION_FORM,
)
async def vary_image(  # noqa: PLR0913 - as above
    asked: VariationsRequest,
    request: Request,
    response: Response,
    services: Deps,
    owner: Owner,
    caller: Caller,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """As edits, from an image alone."""
    return await edit_images(asked, request, response, services, owner, caller, idempotency_key)


def _wants_url(asked: ImagesRequest, request: Request, services: Services) -> bool:
    keys: Keys = request.app.state.keys
    can_sign = not keys.needed or bool(services.settings.url_signing_keys)
    as_url = asked.wants_url(can_sign=can_sign)
    if as_url and not can_sign:
        raise InvalidRequest("response_format: url needs URL_SIGNING_KEYS, which this server does not have")
    return as_url


async def _draw(  # noqa: PLR0913 - what both calls have
    asked: ImagesRequest,
    image: bytes | None,
    request: Request,
    response: Response,
    services: Services,
    owner: str,
    caller: str,
    idempotency_key: str,
    *,
    as_url: bool,
) -> Response:
    job_request = asked.job
    about = f"images {job_request.model_dump_json()}"
    async with services.calls.hold(request, caller, about, keyed=bool(idempotency_key)) as held:
        with contextlib.ExitStack() as stack:
            stack.enter_context(services.holding.hold(caller))
            request.state.submitted = True
            submitted, replayed = await services.submission.submit(
                job_request, owner, idempotency_key, held.call, image=image
            )
            quota.tell(response, submitted.quota_remaining)
            held.job_id = submitted.job.id
            if asked.stream:
                return ImageStream(services, asked, submitted.job.id, held, stack.pop_all())
            with named_in_errors(services, submitted.job.id):
                reading = await held.unless_gone(succeeded(services, owner, submitted.job.id))
        if replayed:
            response.headers["Idempotent-Replayed"] = "true"
        with named_in_errors(services, submitted.job.id):
            return await _answer(
                asked, reading, held, request, response, services, caller, as_url=as_url, refuse=replayed
            )


async def _answer(  # noqa: PLR0913 - an answer has these parts
    asked: ImagesRequest,
    reading: Reading,
    held: HeldCall,
    request: Request,
    response: Response,
    services: Services,
    caller: str,
    *,
    as_url: bool,
    refuse: bool,
) -> Response:
    created = reading.job.finished_at // 1000
    settings = services.settings
    base = settings.base_url if settings.public_url else str(request.base_url).rstrip("/")
    if as_url:
        seen = view(reading, None, services.results.url, base_url=base)
        return await answer_of(_response_of(asked, reading.job, created, seen, as_url=True), response, held)
    return await with_images(
        services.results,
        reading.job,
        await find_images(services.results, reading.job),
        lambda size: services.sending.hold(caller, size, refuse=refuse),
        lambda texts: _response_of(
            asked, reading.job, created, view(reading, texts, services.results.url, with_files=True), as_url=False
        ),
        response,
        exclude_none=True,
        call=held,
    )


def _response_of(asked: ImagesRequest, job: Job, created: int, seen: JobView, *, as_url: bool) -> ImagesResponse:
    return ImagesResponse(
        created=created,
        **generated(asked, job, seen, as_url=as_url),
        size=f"{asked.pixels.width}x{asked.pixels.height}",
        safety_identifier=asked.safety_identifier or asked.user or None,
    )


@router.get("/models", responses=MODELS | openai_errors_of(401, "too_many_requests", "internal_error", 503))
async def list_models(services: Deps, _: Owner) -> ModelList:
    """The model of the workers, and names of OpenAI's that clients look for; all of them draw with the one model."""
    live = await workers.live(services.client)
    names = dict.fromkeys([*(worker.model for worker in live if worker.model), *_ALIASES])
    return ModelList(data=[Model(id=name) for name in names])


@router.get(
    "/models/{model:path}",  # noqa: FAST003 - taken from the request, see MODEL_NAME
    responses=MODEL | openai_errors_of(401, "model_not_found", "too_many_requests", "internal_error", 503),
    openapi_extra={"parameters": [MODEL_NAME]},
)
async def get_model(request: Request, services: Deps, owner: Owner) -> Model:
    """One model of the list."""
    model = request.path_params["model"]
    for known in (await list_models(services, owner)).data:
        if known.id == model:
            return known
    raise ModelNotFound(f"the model {model!r} does not exist; GET /v1/models lists those that do")
