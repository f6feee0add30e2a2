"""The event stream of a job (server-sent events), for a browser's EventSource and for apps."""

from __future__ import annotations

import base64
import contextlib
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Header, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError

from api.auth import Caller, Owner  # noqa: TC001 - FastAPI reads the annotations
from api.deps import Deps, JobId, own_job
from api.methods import AS_HEAD
from api.openapi import EVENTS
from api.openapi_errors import errors_of
from shared.connection import UNAVAILABLE
from shared.jobs import JobStatus
from shared.observability.logging import get_logger
from shared.representation import view
from shared.results import places
from shared.schemas import PreviewEvent, ProgressEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pydantic import BaseModel
    from starlette.types import Receive, Scope, Send

    from api.deps import Services
    from shared.ledger.replies import Reading
    from shared.schemas import JobView

log = get_logger(__name__)
router = APIRouter(prefix="/api/jobs", tags=["jobs"])
HEARTBEAT_SECONDS = 15.0
RECONNECT_MILLISECONDS = 2000
# A client that reads nothing for this long is gone, and its stream must stop counting against its key.
SEND_TIMEOUT_SECONDS = 30.0


class _Stream(EventSourceResponse):
    def __init__(self, services: Services, caller: str, job_id: str) -> None:
        super().__init__(
            _events(services, job_id),
            headers={"Cache-Control": "no-store"},
            ping=HEARTBEAT_SECONDS,
            ping_message_factory=lambda: ServerSentEvent(comment="heartbeat", sep="\n"),
            sep="\n",
            send_timeout=SEND_TIMEOUT_SECONDS,
        )
        self._slot = services.following.slot(caller)
        self._held = services.holding.hold(caller)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if AS_HEAD in scope:
            scope = {**scope, "method": "HEAD"}  # sse-starlette then sends the headers and opens no stream
        # The slot is held here and not in the route, so that it is released however the response ends.
        with self._slot, self._held:
            try:
                await super().__call__(scope, receive, send)
            except SendTimeoutError:
                log.info("stream.stalled")


@router.get(
    "/{job_id}/events",
    operation_id="follow_job",
    response_class=EventSourceResponse,
    responses=EVENTS
    | errors_of(401, 404, 422, "too_many_streams", "too_many_waits", "too_many_requests", 503, "overloaded"),
)
async def events(
    job_id: JobId,
    services: Deps,
    owner: Owner,
    caller: Caller,
    last_event_id: Annotated[str | None, Header(description="The id of the last event received.")] = None,
) -> Response:
    """Server-sent events: `snapshot` first, then `status`, `progress` (at most 2 a second), and `done` at the end.

    Each of them but `progress` has the whole job, and so has the `snapshot` of a stream that is opened again. States
    that passed while the stream was cut, or faster than the client reads, are left out. If the server makes previews,
    `preview` (at most 2 a second) has a small picture of the unfinished drawing.

    A comment is sent every 15 s as a heartbeat. Closing the stream does not cancel the job.
    """
    reading = await own_job(services, owner, job_id)
    if reading.job.is_terminal and last_event_id == _event_id(reading):
        return Response(status_code=204)
    return _Stream(services, caller, job_id)


async def _events(services: Services, job_id: str) -> AsyncIterator[ServerSentEvent]:
    last: Reading | None = None
    shown: bytes | None = None
    async for reading in services.following.readings(job_id):
        eta = (await services.forecasts.current()).eta_seconds(reading)
        seen = view(reading, None, services.results.url, eta, services.settings.root_path)
        if last is None:
            yield _event("snapshot", reading, seen, retry=RECONNECT_MILLISECONDS)
        if reading.job.is_terminal:
            yield _event("done", reading, seen)
            return
        if last and _state(last) != _state(reading):
            yield _event("status", reading, seen)
        elif last and _progress(last) != _progress(reading):
            yield _event("progress", reading, seen)
        if services.settings.previews and (picture := await preview_of(services, reading)) not in (None, shown):
            shown = picture
            image = PreviewEvent(image=base64.b64encode(picture).decode())
            yield ServerSentEvent(image.model_dump_json(), event="preview", sep="\n")
        last = reading


async def preview_of(services: Services, reading: Reading) -> bytes | None:
    """The newest preview of a job that is drawn, a JPEG; None without one."""
    # What is filtered once it is drawn is not shown before.
    if reading.job.status is not JobStatus.RUNNING or services.settings.filters_images:
        return None
    with contextlib.suppress(*UNAVAILABLE):
        return await services.results.whole(places.preview(reading.job.id, reading.job.attempt))
    return None


def _state(reading: Reading) -> tuple[JobStatus, int, bool]:
    return reading.job.status, reading.job.attempt, reading.job.cancel_requested


def _progress(reading: Reading) -> tuple[int, int, int | None]:
    return reading.job.step, reading.job.steps, reading.queue_position


def _event_id(reading: Reading) -> str:
    return f"{reading.job.attempt}-{reading.job.status}-{reading.job.step}"


def _event(name: str, reading: Reading, seen: JobView, *, retry: int | None = None) -> ServerSentEvent:
    data: BaseModel = seen
    if name == "progress":
        data = ProgressEvent(
            **seen.progress.model_dump(), queue_position=seen.queue_position, eta_seconds=seen.eta_seconds
        )
    # A snapshot has no id: for a terminal job it would be the id of `done`, and a client that loses the connection
    # between the two events would get a 204 and never see `done`.
    event_id = None if name == "snapshot" else _event_id(reading)
    return ServerSentEvent(data.model_dump_json(), event=name, id=event_id, retry=retry, sep="\n")
