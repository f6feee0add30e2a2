"""The call of the released mobile app. Its request and response must not change."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from api import quota
from api.auth import Caller, Owner  # noqa: TC001 - FastAPI reads the annotations
from api.deps import Deps  # noqa: TC001 - FastAPI reads the annotations
from api.errors import of_late_loop
from api.image_answers import find_images, with_images
from api.openapi import LOGO
from api.openapi_errors import errors_of
from api.ownership import not_found
from shared import errors
from shared.connection import UNAVAILABLE
from shared.jobs import Failure, JobStatus
from shared.observability.logging import get_logger
from shared.schemas import JobRequest, LogoRequest, LogoResponse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.deps import Services
    from shared.ledger.replies import Reading

router = APIRouter(tags=["app"])
log = get_logger(__name__)


_ERRORS = (
    *(401, 409, 410, 413, 422, "queue_full", "no_room", "too_many_queued", "too_many_requests", "too_many_waits"),
    *("quota_exceeded", "content_filtered", "generation_failed", "internal_error", 503, "overloaded", 504),
)


@router.post("/api/generate_logo", response_model=LogoResponse, responses=LOGO | errors_of(*_ERRORS))
async def generate_logo(  # noqa: PLR0913 - FastAPI's way of naming a request's parts
    request: LogoRequest, sent: Request, response: Response, services: Deps, owner: Owner, caller: Caller
) -> Response:
    """Draw a logo and wait for it. New clients use `/api/jobs`, where a lost connection does not lose the job.

    If this call's connection is cut, the same call within REJOIN_SECONDS joins the job under way, or gets its result;
    without one the job is canceled then.
    """
    # Not validated again: LogoRequest checks the prompt's length before trimming, which may leave under 3 characters.
    asked = JobRequest.model_construct(prompt=request.prompt, sizes=list(dict.fromkeys(request.sizes)))
    async with services.calls.hold(sent, caller, f"logo {asked.model_dump_json()}") as held:
        with services.holding.hold(caller):
            submitted, _ = await services.submission.submit(asked, owner, call=held.call)
            quota.tell(response, submitted.quota_remaining)
            held.job_id = submitted.job.id
            with named_in_errors(services, submitted.job.id):
                job = (await held.unless_gone(succeeded(services, owner, submitted.job.id))).job
        with named_in_errors(services, job.id):
            return await with_images(
                services.results,
                job,
                await find_images(services.results, job),
                lambda size: services.sending.hold(caller, size, refuse=False),
                lambda texts: LogoResponse(
                    message="Logo generated successfully!",
                    prompt=request.prompt,
                    images=texts,
                    sizes=request.sizes,
                    model=job.model,
                ),
                response,
                call=held,
            )


async def succeeded(services: Services, owner: str, job_id: str) -> Reading:
    """The job once it has succeeded; waits at most REQUEST_TIMEOUT. Raises what `ended_well` does."""
    return ended_well(
        services, await services.waiting.until_terminal(job_id, services.settings.request_timeout, owner), job_id
    )


def ended_well(services: Services, reading: Reading | None, job_id: str) -> Reading:
    """The reading of a job that was waited for.

    :raises errors.JobNotFound: its record is gone.
    :raises errors.ContentFiltered: SAFETY refused the drawing.
    :raises errors.GenerationFailed: the job failed.
    :raises errors.JobNotSuccessful: the job was canceled, or it expired.
    :raises errors.StillRunning: the job has not ended within REQUEST_TIMEOUT.
    :raises errors.ServiceUnavailable: the server restarts before the job has ended.
    """
    if reading is None:
        raise not_found(job_id)
    job = reading.job
    where = _reference(services, job_id)
    if job.error_code == Failure.CONTENT_FILTERED:
        raise errors.ContentFiltered(f"Failed to generate logo: {job.error_message}", details=where)
    if job.status is JobStatus.FAILED:
        raise errors.GenerationFailed(f"Failed to generate logo: {job.error_message}", details=where)
    if job.status in (JobStatus.CANCELED, JobStatus.EXPIRED):
        raise errors.JobNotSuccessful(f"the job was {job.status}", details=where)
    if not job.is_terminal and services.waiting.released:
        raise errors.ServiceUnavailable("the server restarts; the job goes on", details=where, retry_after_seconds=2)
    if job.status is not JobStatus.SUCCEEDED:
        raise errors.StillRunning(
            f"the logo was not ready within {services.settings.request_timeout:g} s; the job goes on",
            details=where,
            retry_after_seconds=5,
        )
    return reading


@contextlib.contextmanager
def named_in_errors(services: Services, job_id: str) -> Iterator[None]:
    """Wraps the work after a job was created: if Redis becomes unavailable, the error names the job.

    :raises errors.ServiceUnavailable: Redis is out of reach; the job goes on.
    :raises errors.Overloaded: this process was too late for Redis' answer; likewise.
    """
    try:
        yield
    except UNAVAILABLE as error:
        if late := of_late_loop(error, services.lag, "the job goes on", _reference(services, job_id)):
            raise late from error
        log.warning("redis.unavailable", error=repr(error))
        raise errors.ServiceUnavailable(
            "the job store is out of reach; the job goes on",
            details=_reference(services, job_id),
            retry_after_seconds=2,
        ) from error


def _reference(services: Services, job_id: str) -> dict[str, str]:
    return {"job_id": job_id, "url": f"{services.settings.root_path}/api/jobs/{job_id}"}
