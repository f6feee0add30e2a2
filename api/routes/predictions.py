"""Replicate's predictions over the same jobs, so that its unchanged clients can draw with this service."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response

from api import quota
from api.auth import Caller, Owner  # noqa: TC001 - FastAPI reads the annotations
from api.deps import Deps, JobId, own_job
from api.image_answers import find_images, with_images
from api.openai_shapes import beginning_of
from api.openapi import PREDICTION, VERSION
from api.openapi_errors import replicate_errors_of
from api.ownership import not_found
from api.prefer import wait_seconds
from api.rate_limit import limit_submits
from api.replicate_errors import ReplicateRoute
from api.replicate_shapes import ModelVersion, PredictionRequest
from api.routes.jobs import MAX_WAIT_SECONDS, PREFER, check_webhook
from shared.connection import UNAVAILABLE
from shared.errors import ImagesExpired
from shared.ledger import moves
from shared.ledger.replies import Reading
from shared.predictions import SHAPE, Prediction, prediction_of
from shared.schemas import JobRequest, shape_fields

if TYPE_CHECKING:
    from api.deps import Services

router = APIRouter(prefix="/v1", tags=["Replicate"], route_class=ReplicateRoute)
_PREFER = PREFER | {"description": f"`wait` or `wait=N`: held for N s, {MAX_WAIT_SECONDS} at most."}
_SENT = ("too_many_bytes", "too_many_requests", 503, "overloaded", "internal_error")
_READ = PREDICTION[200] | replicate_errors_of(401, 404, 422, *_SENT)
_CREATE = PREDICTION[201] | replicate_errors_of(
    *(401, 413, 422, "content_filtered", "queue_full", "no_room", "too_many_queued", "quota_exceeded", *_SENT)
)
Name = Annotated[str, Path(max_length=255, description="Any name draws with the server's one model.")]


# Documented by hand: any text is taken, and a preference that cannot be met is ignored.
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": f"`wait` or `wait=N`: held until it has ended, for N s at most ({MAX_WAIT_SECONDS}).",
    "schema": {"type": "string"},
}


async def _names(owner_name: Name, model_name: Name) -> None:
    """Documents the names of the path."""


@router.post(
    "/predictions",
    status_code=201,
    response_model=Prediction,
    responses=_CREATE,
    dependencies=[Depends(limit_submits)],
    operation_id="create_prediction",
    openapi_extra={"parameters": [_PREFER]},
)
@router.post(
    "/models/{owner_name}/{model_name}/predictions",
    status_code=201,
    response_model=Prediction,
    responses=_CREATE,
    dependencies=[Depends(limit_submits), Depends(_names)],
    operation_id="create_model_prediction",
    openapi_extra={"parameters": [_PREFER]},
)
async def create(  # noqa: PLR0913 - FastAPI's way of naming a request's parts
    asked: PredictionRequest,
    request: Request,
    response: Response,
    services: Deps,
    owner: Owner,
    caller: Caller,
) -> Any:
    """Draw a prompt. Until it has ended, the answer's status is `starting`, after which clients poll."""
    given, webhook = asked.input, asked.webhook
    if webhook is not None and "completed" not in (asked.webhook_events_filter or ["completed"]):
        webhook = None
    if webhook is not None:
        check_webhook(webhook, owner, services)
    drawn = JobRequest.model_construct(
        prompt=beginning_of(given.prompt),
        **shape_fields(given.size),
        seed=given.seed,
        num_images=given.num_outputs,
        steps=given.num_inference_steps,
        guidance=given.guidance,
        webhook_url=webhook,
    )
    reading, _ = await services.submission.submit(drawn, owner, webhook_shape=SHAPE if webhook else "")
    quota.tell(response, reading.quota_remaining)
    prefer = request.headers.getlist("prefer")
    wait = MAX_WAIT_SECONDS if "wait" in prefer else wait_seconds(prefer, MAX_WAIT_SECONDS)
    if wait and services.holding.has_room(caller):
        # The job exists: whatever happens now, the answer has its id.
        with contextlib.suppress(*UNAVAILABLE), services.holding.hold(caller, refuse=False):
            reading = await services.waiting.until_terminal(reading.job.id, wait, owner)
    response.status_code = 201
    return await _answer(services, request, reading, caller, response)


@router.get(
    "/predictions/{job_id}",
    response_model=Prediction,
    responses=_READ,
    operation_id="get_prediction",
)
async def get(  # noqa: PLR0913 - as above
    job_id: JobId, request: Request, response: Response, services: Deps, owner: Owner, caller: Caller
) -> Any:
    """Any own job, as a prediction."""
    return await _answer(services, request, await own_job(services, owner, job_id), caller, response)


@router.post(
    "/predictions/{job_id}/cancel",
    response_model=Prediction,
    responses=_READ,
    operation_id="cancel_prediction",
)
async def cancel(  # noqa: PLR0913 - as above
    job_id: JobId, request: Request, response: Response, services: Deps, owner: Owner, caller: Caller
) -> Any:
    """As `DELETE /api/jobs/{job_id}`."""
    command = moves.request_cancel(job_id, ttl_seconds=services.settings.job_ttl_seconds, owner=owner)
    moved = await services.ledger.run(command)
    if moved.job is None:
        raise not_found(job_id)
    return await _answer(services, request, Reading(moved.job, None), caller, response)


@router.get(
    "/models/{owner_name}/{model_name}/versions/{version}",  # noqa: FAST003 - see `_names`
    responses=VERSION | replicate_errors_of(401, 422, "too_many_requests", 503, "internal_error"),
    operation_id="get_model_version",
    dependencies=[Depends(_names)],
)
async def get_version(version: Name, _: Owner) -> ModelVersion:
    """What Replicate's clients read of a version before they use it."""
    return ModelVersion(id=version)


async def _answer(services: Services, request: Request, reading: Reading, caller: str, response: Response) -> Any:
    """The prediction. Replicate's clients take only https URLs and data for files: without https it has the data."""
    settings, results = services.settings, services.results
    base = settings.base_url if settings.public_url else str(request.base_url).rstrip("/")
    seen = prediction_of(reading, results.url, base)
    if not reading.job.is_terminal and response.status_code:
        # As Replicate has it: its clients take anything else in a create's answer for the end of the prediction.
        return seen.model_copy(update={"status": "starting"})
    if seen.output is None or base.startswith("https:"):
        return seen
    try:
        return await with_images(
            results,
            reading.job,
            await find_images(results, reading.job),
            lambda size: services.sending.hold(caller, size, refuse=not response.status_code),
            lambda texts: prediction_of(reading, results.url, base, texts),
            response,
        )
    except ImagesExpired:
        return seen.model_copy(update={"output": None, "data_removed": True})
