"""/watch: what the cards do, for everybody; and what an operator may do about it. The page's own interface, which is
not on the OpenAPI page.

Each action is a command of the ledger, noted in the audit log before it is done and with its outcome after.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Path, Response

from api.deps import Deps, JobId, own_job
from api.operators import MaybeOperator, Operator  # noqa: TC001 - FastAPI reads the annotations
from api.ownership import not_found
from api.page_files import page
from api.routes.events import preview_of
from shared import errors
from shared.jobs import JobStatus
from shared.ledger import audit, holds, moves
from shared.ledger.replies import Outcome
from shared.observability.logging import get_logger
from shared.settings import VERSION

if TYPE_CHECKING:
    from api.deps import Services

log = get_logger(__name__)
router = APIRouter(prefix="/watch", include_in_schema=False)
_HOLDS: dict[str, Literal["", "paused", "draining"]] = {"pause": "paused", "drain": "draining", "resume": ""}
WorkerName = Annotated[str, Path(max_length=200)]


@router.get("", response_model=None)
async def watch(services: Deps) -> Response:
    return page("watch", services.settings.root_path, version=VERSION)


@router.get("/figures")
async def figures(services: Deps, operator: MaybeOperator, response: Response) -> dict[str, Any]:
    response.headers["Cache-Control"] = "no-store"
    found = await services.watching.figures(whole=operator is not None)
    if operator is not None and services.settings.previews:
        for worker in found["workers"]:
            if worker["job"]:
                worker["job"]["preview"] = await _preview(services, worker["job"]["id"])
    return found


async def _preview(services: Services, job_id: str) -> str | None:
    reading = await services.waiting.reads.job(job_id)
    picture = await preview_of(services, reading) if reading else None
    return base64.b64encode(picture).decode() if picture else None


@router.post("/workers/{name}/{action}")
async def hold(
    name: WorkerName, action: Literal["pause", "drain", "resume"], services: Deps, operator: Operator
) -> dict[str, str]:
    """Pauses or drains a worker (shared/ledger/holds.py), or lets it take jobs again."""
    await _note(services, operator, action, name)
    outcome = await services.ledger.run(holds.hold(name, _HOLDS[action]))
    await _note(services, operator, action, name, outcome)
    if outcome is Outcome.MISSING:
        raise errors.InvalidRequest(f"name: no worker {name} is alive")
    return {"outcome": outcome}


@router.post("/jobs/{job_id}/cancel")
async def cancel(job_id: JobId, services: Deps, operator: Operator) -> dict[str, str]:
    """Cancels a job of any key, as its owner would."""
    await _note(services, operator, "cancel", job_id)
    moved = await services.ledger.run(moves.request_cancel(job_id, ttl_seconds=services.settings.job_ttl_seconds))
    await _note(services, operator, "cancel", job_id, moved.outcome)
    if moved.job is None:
        raise not_found(job_id)
    return {"outcome": moved.outcome, "status": moved.job.status}


@router.post("/jobs/{job_id}/requeue")
async def requeue(job_id: JobId, services: Deps, operator: Operator) -> dict[str, str]:
    """Queues what a failed job asked for as a new job of its owner."""
    failed = (await own_job(services, None, job_id)).job
    if failed.status is not JobStatus.FAILED:
        raise errors.JobNotSuccessful(f"the job is {failed.status}; only a failed one is queued again")
    await _note(services, operator, "requeue", job_id)
    job = (await services.submission.requeue(failed)).job
    await _note(services, operator, "requeue", job_id, f"as {job.id}")
    return {"outcome": "moved", "job_id": job.id}


async def _note(services: Services, operator: str, action: str, target: str, outcome: str = audit.ASKED) -> None:
    await services.ledger.run(audit.note(operator, action, target, outcome))
    services.watching.forget()
    if outcome != audit.ASKED:
        log.info("operator.acted", operator=operator, action=action, target=target, outcome=outcome)
