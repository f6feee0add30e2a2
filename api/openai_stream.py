"""A streamed call of OpenAI's Images API: previews as `image_generation.partial_image`, then a
`image_generation.completed` for each image, or their `error`.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from typing import TYPE_CHECKING, Literal

from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from api.image_answers import find_images
from api.openai_errors import OpenAIError, error_of
from api.openai_shapes import ImagesRequest, Usage, generated
from api.routes.events import HEARTBEAT_SECONDS, preview_of
from api.routes.logo import ended_well, named_in_errors
from shared.ledger.calls import End
from shared.representation import progress, view
from shared.results import places

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from api.deps import Services
    from api.held_calls import HeldCall
    from shared.ledger.replies import Reading

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_HEARTBEAT = b": heartbeat\n\n"


class _Event(BaseModel):
    b64_json: str
    background: Literal["opaque", "transparent"] = "opaque"
    created_at: int = Field(description="Seconds since the epoch.")
    quality: Literal["high"] = "high"
    size: str = Field(description="Of the finished image.")


class PartialImage(_Event):
    """The data of `image_generation.partial_image`: the unfinished drawing, at most 64 pixels wide."""

    type: Literal["image_generation.partial_image"] = "image_generation.partial_image"
    output_format: Literal["jpeg"] = "jpeg"
    partial_image_index: int


class CompletedImage(_Event):
    """The data of `image_generation.completed`, of which there is one for each image."""

    type: Literal["image_generation.completed"] = "image_generation.completed"
    output_format: Literal["png", "webp", "jpeg", "svg"] = "png"
    usage: Usage = Usage()
    safety_identifier: str | None = None


class StreamError(BaseModel):
    """The data of `error`, after which the stream ends."""

    type: Literal["error"] = "error"
    error: OpenAIError


class ImageStream(StreamingResponse):
    def __init__(
        self, services: Services, asked: ImagesRequest, job_id: str, call: HeldCall, held: contextlib.ExitStack
    ) -> None:
        """:param held: closed when the stream has ended."""
        super().__init__(self._events(), media_type="text/event-stream", headers=_HEADERS)
        self._services = services
        self._asked = asked
        self._job_id = job_id
        self._call = call
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._held:
            try:
                await super().__call__(scope, receive, send)
            finally:
                self._call.end(End.CUT)  # without effect once all is sent

    async def _events(self) -> AsyncIterator[bytes]:
        how = End.DELIVERED
        try:
            with named_in_errors(self._services, self._job_id):
                reading: Reading | None = None
                async for event in self._partial_images():
                    if isinstance(event, bytes):
                        yield event
                    else:
                        reading = event
                async for piece in self._completed(ended_well(self._services, reading, self._job_id)):
                    yield piece
        except Exception as error:  # noqa: BLE001 - any error is logged and told in OpenAI's format
            how = End.TOLD
            yield _event("error", StreamError(error=error_of(error, self._services.lag)))
        async for piece in self._call.ending(how):
            yield piece

    async def _partial_images(self) -> AsyncIterator[bytes | Reading]:
        """Partial images and heartbeats; at last the job as it is then."""
        services, wanted = self._services, self._asked.partial_images or 0
        sent, shown, said_at = 0, None, time.monotonic()
        until = said_at + services.settings.request_timeout
        readings = services.following.readings(self._job_id)
        reading: Reading | None = None
        async with contextlib.aclosing(readings):
            while not services.waiting.released:
                try:
                    reading = await asyncio.wait_for(anext(readings), max(0.0, until - time.monotonic()))
                except (TimeoutError, StopAsyncIteration):
                    break
                if reading.job.is_terminal:
                    break
                # They are spread evenly over the drawing. Without PREVIEWS there is none to send.
                if sent < wanted and progress(reading.job).fraction >= (sent + 1) / (wanted + 1):
                    picture = await preview_of(services, reading)
                    if picture not in (None, shown):
                        shown = picture
                        yield self._partial_image(picture or b"", sent)
                        sent, said_at = sent + 1, time.monotonic()
                if time.monotonic() - said_at >= HEARTBEAT_SECONDS:
                    yield _HEARTBEAT
                    said_at = time.monotonic()
        if reading:
            yield reading

    def _partial_image(self, picture: bytes, index: int) -> bytes:
        encoded, size = base64.b64encode(picture).decode(), self._asked.pixels
        event = PartialImage(
            b64_json=encoded, created_at=int(time.time()), size=f"{size.width}x{size.height}", partial_image_index=index
        )
        return _event(event.type, event)

    async def _completed(self, reading: Reading) -> AsyncIterator[bytes]:
        """An event for each image, which is read piece by piece as the client takes it."""
        job, results, size = reading.job, self._services.results, self._asked.pixels
        images = await find_images(results, job)
        identifier = self._asked.safety_identifier or self._asked.user or None
        # The name of each image stands for its text.
        seen = view(reading, {name: name for name in images}, results.url, with_files=True)
        found = generated(self._asked, job, seen, as_url=False)
        for image in found["data"]:
            event = CompletedImage(
                b64_json="*",
                background=found["background"],
                created_at=job.finished_at // 1000,
                output_format=found["output_format"],
                size=f"{size.width}x{size.height}",
                safety_identifier=identifier,
            )
            before, _, after = _event(event.type, event).partition(b'"*"')
            yield before + b'"'
            async for chunk in results.chunks(places.images(job.id, job.attempt), images[image.b64_json]):
                yield chunk
            yield b'"' + after


def _event(name: str, data: BaseModel) -> bytes:
    return f"event: {name}\ndata: {data.model_dump_json(exclude_none=name != 'error')}\n\n".encode()
