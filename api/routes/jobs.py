"""The job routes: submit, list, poll, long-wait, cancel."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Header, Query, Response

from api import quota
from api.auth import Caller, Owner  # noqa: TC001 - FastAPI reads the annotations
from api.deps import Deps, JobId, own_job
from api.forgetting import forget_ended
from api.image_answers import images_of, with_images
from api.inputs import input_of
from api.multipart import UploadRoute
from api.openapi import LISTED, WITH_FILE, job_of
from api.openapi_errors import errors_of
from api.ownership import not_found
from api.prefer import wait_seconds
from shared import errors
from shared.addresses import check_webhook_url
from shared.connection import UNAVAILABLE
from shared.jobs import JobStatus  # noqa: TC001 - FastAPI reads the annotations
from shared.ledger import listing, moves
from shared.ledger.replies import Reading
from shared.observability.logging import get_logger
from shared.representation import view
from shared.schemas import JobList, JobRequest, JobView

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.deps import Services
    from shared.results.store import Image

log = get_logger(__name__)
router = APIRouter(prefix="/api/jobs", tags=["jobs"], route_class=UploadRoute)
MAX_WAIT_SECONDS = 60
# Documented by hand: a client may send the header more than once, and generators take no list in a header.
PREFER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": f"`wait=N` holds the answer until the job is terminal, N s at most (up to {MAX_WAIT_SECONDS}).",
    "schema": {"type": "string", "examples": ["wait=5"]},
}
KEY_PATTERN = r"^[\x21-\x7e]{1,255}\Z"
IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$", description="A retry under the same key is safe."),
]
Include = Annotated[
    Literal["images", "files", "none"],
    Query(description="'files': the data of `files` too, as base64. 'none': leave the images out."),
]


async def represent(services: Services, reading: Reading, response: Response) -> Response:
    """The job as JSON, with the status and headers of `response`. FastAPI would validate it once more."""
    root, url_of, eta = services.settings.root_path, services.results.url, None
    if not reading.job.is_terminal:
        response.headers["Retry-After"] = "1"
        eta = (await services.forecasts.current()).eta_seconds(reading)
    body = view(reading, None, url_of, eta, root).model_dump_json()
    return Response(body, response.status_code or 200, dict(response.headers), "application/json")


async def represent_with_images(  # noqa: PLR0913 - an answer has these parts
    services: Services,
    reading: Reading,
    images: Mapping[str, Image] | None,
    response: Response,
    caller: str,
    *,
    refuse: bool = True,
    with_files: bool = False,
) -> Response:
    """As `represent`, with `images` unless they are None.

    :param refuse: whether the caller may be told that it is sent too much already.
    :param with_files: the data of the job's files too.
    """
    if images is None:
        return await represent(services, reading, response)
    return await with_images(
        services.results,
        reading.job,
        images,
        lambda size: services.sending.hold(caller, size, refuse=refuse),
        lambda texts: view(
            reading, texts, services.results.url, base_url=services.settings.root_path, with_files=with_files
        ),
        response,
    )


def check_webhook(url: str, owner: str, services: Services) -> None:
    """:raises errors.InvalidRequest: this server sends no webhooks of this owner, or none to this URL."""
    settings = services.settings
    if not services.tenants.webhook_secrets_of(owner, settings):
        raise errors.InvalidRequest("webhook_url: this server sends no webhooks, its WEBHOOK_SECRETS is empty")
    check_webhook_url(url, allow_http=settings.webhook_allow_http, allowed=settings.webhook_allowed_networks)


@router.post(
    "",
    operation_id="submit_job",
    status_code=202,
    response_model=JobView,
    responses=job_of(200, 202, headers=("Location", "Idempotent-Replayed", "Preference-Applied", "X-Quota-Remaining"))
    | errors_of(
        *(401, 404, "image_not_found", 409, 410, 413, 415, 422, "content_filtered", "idempotency_conflict", 429),
        *("no_room", "too_many_queued", "too_many_high", "too_many_requests", "quota_exceeded", "too_many_bytes"),
        *(503, "overloaded"),
    ),
    openapi_extra={"parameters": [PREFER]} | WITH_FILE,
)
async def submit(  # noqa: PLR0913 - FastAPI's way of naming a request's parts
    request: JobRequest,
    response: Response,
    services: Deps,
    owner: Owner,
    caller: Caller,
    idempotency_key: IdempotencyKey = None,
    prefer: Annotated[list[str] | None, Header(include_in_schema=False)] = None,  # PREFER documents it
) -> Response:
    """Queue a job. Poll it, or hold `GET /api/jobs/{id}?wait=60`, until its status is terminal.

    With `Prefer: wait=N` this call itself is held: it answers 200 with the result and its images if the job ends in
    time, else 202. A caller that disconnects does not cancel its job.

    With an image to start from, the body is a form of the same fields, and `image` is a file: PNG, JPEG or WebP.
    """
    if request.webhook_url is not None:
        check_webhook(request.webhook_url, owner, services)
    # The forecast is read while the job is created and published, so that the estimate costs no extra time.
    services.forecasts.prefetch()
    # The answer uses what the creation returned: once the job exists it is a 202, even if Redis fails afterwards.
    request, image = await input_of(services, request, owner)
    reading, replayed = await services.submission.submit(request, owner, idempotency_key or "", image=image)
    del image  # while it waits, the call holds no image
    quota.tell(response, reading.quota_remaining)
    job_id = reading.job.id
    response.headers["Location"] = f"{services.settings.root_path}/api/jobs/{job_id}"
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    wait = wait_seconds(prefer or (), MAX_WAIT_SECONDS)
    # A preference need not be met: the job is accepted, however many calls the caller holds.
    if wait is None or not services.holding.has_room(caller):
        response.status_code = 200 if replayed and reading.job.is_terminal else 202
        return await represent(services, reading, response)
    response.headers["Preference-Applied"] = f"wait={wait}"
    with contextlib.suppress(*UNAVAILABLE):
        with services.holding.hold(caller, refuse=False):
            reading = await services.waiting.until_terminal(job_id, wait, owner)
        response.status_code = 200 if reading.job.is_terminal else 202
        images = await images_of(services.results, reading.job)
        return await represent_with_images(services, reading, images, response, caller, refuse=replayed)
    response.status_code = 200 if reading.job.is_terminal else 202
    return await represent(services, reading, response)


@router.get("", responses=LISTED | errors_of(401, 422, "too_many_requests", 503, "overloaded"))
async def list_jobs(
    services: Deps,
    owner: Owner,
    status: Annotated[JobStatus | None, Query(description="Only jobs in this state.")] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Jobs on a page.")] = 20,
    cursor: Annotated[str | None, Query(description="The `next_cursor` of the previous page.", max_length=64)] = None,
) -> JobList:
    """The caller's own jobs, newest first, as long as their records are kept. Without API keys, everybody's jobs.

    With `status` a page may be shorter than `limit`, or even empty: continue until `next_cursor` is null.
    """
    try:
        command = listing.page(owner, status=status, limit=limit, cursor=cursor or "")
    except ValueError:
        raise errors.InvalidRequest("cursor: must be a `next_cursor` of this server") from None
    page = await services.ledger.run(command)
    forecast = await services.forecasts.current()
    root, url_of = services.settings.root_path, services.results.url
    jobs = [view(reading, None, url_of, forecast.eta_seconds(reading), root) for reading in page.readings]
    return JobList(jobs=jobs, next_cursor=page.next_cursor)


@router.get(
    "/{job_id}",
    operation_id="get_job",
    response_model=JobView,
    responses=job_of(200)
    | errors_of(401, 404, 410, 422, "too_many_waits", "too_many_bytes", "too_many_requests", 503, "overloaded"),
)
async def get(  # noqa: PLR0913 - FastAPI's way of naming a request's parts
    job_id: JobId,
    response: Response,
    services: Deps,
    owner: Owner,
    caller: Caller,
    wait: Annotated[
        float,
        Query(ge=0, le=MAX_WAIT_SECONDS, description="Hold until the job is terminal, at most this many seconds."),
    ] = 0,
    include: Include = "images",
) -> Response:
    """The job, with its images once it has succeeded. What was made beside plain PNGs is in `files`, by its URLs."""
    if wait:
        with services.holding.hold(caller):
            reading = await services.waiting.until_terminal(job_id, wait, owner)
    else:
        reading = await own_job(services, owner, job_id)
    images = None if include == "none" else await images_of(services.results, reading.job)
    return await represent_with_images(services, reading, images, response, caller, with_files=include == "files")


@router.delete(
    "/{job_id}",
    operation_id="cancel_job",
    response_model=JobView,
    responses=job_of(200) | errors_of(401, 404, 422, "too_many_requests", 503, "overloaded"),
)
async def cancel(
    job_id: JobId,
    response: Response,
    services: Deps,
    owner: Owner,
    forget: Annotated[
        bool, Query(description="Delete the job too, with its prompt and images; one that runs, once it is canceled.")
    ] = False,
) -> Response:
    """Cancel the job: at once while it is queued, within two denoising steps while it runs. No effect once terminal.

    With `forget=true` nothing of it is kept: its id is unknown from then on (404), and its webhook is not sent. The
    answer is the job as it was.
    """
    ttl = services.settings.job_ttl_seconds
    moved = await services.ledger.run(moves.request_cancel(job_id, ttl_seconds=ttl, owner=owner, forget=forget))
    if moved.job is None:
        raise not_found(job_id)
    if forget:
        if moved.job.is_terminal:
            await forget_ended(services.ledger, services.results, moved.job)
        log.info("job.forgotten", status=moved.job.status)
    # After this call a job is never queued, so it has no position in the queue.
    return await represent(services, Reading(moved.job, None), response)
