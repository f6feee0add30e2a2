"""The services that request handlers use, and the FastAPI dependencies that give access to them.

The services are built once per process (api/app.py) and kept on the application's state.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import structlog
from fastapi import Depends, Path, Request

from api.ownership import visible
from shared import errors

if TYPE_CHECKING:
    import redis.asyncio

    from api.bounds import Bound
    from api.following import Following
    from api.forecasting import Forecasts
    from api.held_calls import HeldCalls
    from api.loop_lag import LoopLag
    from api.metrics import HttpMetrics
    from api.settings import ApiSettings
    from api.submission import Submission
    from api.turns import Turns
    from api.waiting import Waiting
    from api.watching import Watching
    from shared.ledger.replies import Reading
    from shared.ledger.run import AsyncLedger
    from shared.results.store import ResultReader
    from shared.styles.known import Styles
    from shared.tenants import Tenants


@dataclass(frozen=True, slots=True)
class Services:
    settings: ApiSettings
    client: redis.asyncio.Redis
    ledger: AsyncLedger
    waiting: Waiting
    submission: Submission
    following: Following
    http: HttpMetrics
    forecasts: Forecasts
    results: ResultReader
    calls: HeldCalls
    holding: Bound  # calls that wait for a job, and event streams
    sending: Bound  # bytes of images that are being sent
    lag: LoopLag
    watching: Watching
    styles: Styles
    turns: Turns
    tenants: Tenants


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def _job_id(job_id: Annotated[str, Path(description="The id that the submit returned.")]) -> str:
    try:
        canonical = str(uuid.UUID(job_id))
    except ValueError:
        canonical = ""
    if canonical != job_id:
        raise errors.JobNotFound("job_id: must be the UUID of 36 characters that the submit returned")
    structlog.contextvars.bind_contextvars(job_id=job_id)
    return job_id


Deps = Annotated[Services, Depends(_services)]
JobId = Annotated[str, Depends(_job_id)]


async def own_job(services: Services, owner: str | None, job_id: str) -> Reading:
    """The job as the ledger has it now.

    :raises errors.JobNotFound: the id is unknown, or the job belongs to another owner.
    """
    return visible(await services.waiting.reads.job(job_id), owner, job_id)
