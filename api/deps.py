"""What a request handler works with, built once per process and kept on the application's state."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import structlog
from fastapi import Depends, Path, Request

from shared import errors, ledger

if TYPE_CHECKING:
    import redis.asyncio

    from api.following import Following
    from api.forecasting import Forecasts
    from api.metrics import HttpMetrics
    from api.settings import ApiSettings
    from api.submission import Submission
    from api.waiting import Waiting
    from shared.ledger import Reading
    from shared.scripts import AsyncLedger
    from shared.signing import UrlSigner


@dataclass(frozen=True, slots=True)
class Services:
    settings: ApiSettings
    client: redis.asyncio.Redis
    jobs: AsyncLedger
    waiting: Waiting
    submission: Submission
    following: Following
    http: HttpMetrics
    forecasts: Forecasts
    signer: UrlSigner


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def _job_id(job_id: Annotated[str, Path(description="The id that the submit answered with.")]) -> str:
    try:
        canonical = str(uuid.UUID(job_id))
    except ValueError:
        canonical = ""
    if canonical != job_id:
        raise errors.JobNotFound("job_id: a job's id is a UUID of 36 characters, as the submit answered it")
    structlog.contextvars.bind_contextvars(job_id=job_id)
    return job_id


Deps = Annotated[Services, Depends(_services)]
JobId = Annotated[str, Depends(_job_id)]


def visible(reading: Reading | None, owner: str | None, job_id: str) -> Reading:
    """The job, if it is the caller's own; whosever it is for None.

    :raises errors.JobNotFound: unknown, or another key's: the two must look alike.
    """
    if reading is None or owner not in (None, reading.job.owner):
        raise errors.JobNotFound(f"no job has the id {job_id}")
    return reading


async def own_job(services: Services, owner: str, job_id: str) -> Reading:
    return visible(await services.jobs.run(ledger.read(job_id)), owner, job_id)
