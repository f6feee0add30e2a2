"""Answers with images: read from the store chunk by chunk as the client takes them, so that a slow client holds a chunk
or two in memory and not its images.

The first chunk is read before the answer begins, so that an error has its status. A later error ends the connection
before the answer's `Content-Length`; the client fetches the rest by its `Range`, or asks again.
"""

from __future__ import annotations

import base64
import contextlib
import re
import secrets
from typing import TYPE_CHECKING

from fastapi.responses import StreamingResponse

from shared import errors
from shared.connection import UNAVAILABLE
from shared.jobs import JobStatus
from shared.ledger.calls import End
from shared.observability.logging import get_logger
from shared.results import places
from shared.results.store import PartGone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from fastapi import Response
    from pydantic import BaseModel
    from starlette.types import Receive, Scope, Send

    from api.held_calls import HeldCall
    from shared.jobs import Job
    from shared.results.places import Place
    from shared.results.store import Image, ResultReader

log = get_logger(__name__)


class _CutError(Exception):
    """The store failed after the answer had begun."""


class _Streamed(StreamingResponse):
    def __init__(  # noqa: PLR0913 - an answer has these parts
        self,
        body: AsyncIterator[bytes],
        length: int,
        held: contextlib.ExitStack,
        call: HeldCall | None,
        status: int,
        headers: Mapping[str, str],
        media_type: str,
    ) -> None:
        super().__init__(body, status, {**headers, "content-length": str(length)}, media_type)
        self._held = held
        self._call = call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._held:
            try:
                await super().__call__(scope, receive, send)
            except _CutError as error:
                # Without its last message the server closes the connection.
                log.warning("answer.cut", error=repr(error.__cause__))
            finally:
                if self._call:
                    self._call.end(End.CUT)  # without effect once all is sent


async def stream(  # noqa: PLR0913 - an answer has these parts
    body: AsyncIterator[bytes],
    length: int,
    held: contextlib.AbstractContextManager[None],
    *,
    status: int = 200,
    headers: Mapping[str, str],
    media_type: str = "application/json",
    call: HeldCall | None = None,
) -> Response:
    """:param length: of the whole body, in bytes.
    :param held: entered before anything is read, until the answer has ended (api/bounds.py).
    :param call: the held call that this answers.
    :raises errors.ImagesExpired: the images have just expired.
    """
    body = call.sending(body, length) if call else body
    with contextlib.ExitStack() as stack:
        stack.enter_context(held)
        try:
            first = await anext(body, b"")
        except PartGone:
            raise expired() from None
        return _Streamed(_from_first(first, body), length, stack.pop_all(), call, status, headers, media_type)


async def _from_first(first: bytes, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    del first
    try:
        async for chunk in body:
            yield chunk
    except (*UNAVAILABLE, PartGone) as error:
        raise _CutError from error


async def decoded(results: ResultReader, place: Place, image: Image, part: slice) -> AsyncIterator[bytes]:
    """The bytes of an image from `part.start` to before `part.stop`."""
    skip, left = part.start % 3, part.stop - part.start
    # Four characters of base64 are three bytes.
    start, stop = part.start // 3 * 4, min(image.length, -(-part.stop // 3) * 4)
    async for chunk in results.chunks(place, image, start, stop):
        data = base64.b64decode(chunk)[skip : skip + left]
        skip, left = 0, left - len(data)
        yield data


async def find_images(results: ResultReader, job: Job) -> dict[str, Image]:
    """The images of a job by `image_name`, none of them read.

    :raises errors.ImagesExpired: they have expired before the record.
    """
    images = await results.images(places.images(job.id, job.attempt))
    if not images:
        raise expired()
    return images


async def images_of(results: ResultReader, job: Job) -> dict[str, Image] | None:
    """As `find_images`; None unless the job has succeeded."""
    return await find_images(results, job) if job.status is JobStatus.SUCCEEDED else None


def expired() -> errors.ImagesExpired:
    return errors.ImagesExpired("the images of this job have expired; submit it again with the same seed")


async def answer_of(body: BaseModel, response: Response, call: HeldCall) -> Response:
    """A JSON answer without images to a held call. `response` as in `with_images`."""
    encoded = body.model_dump_json(exclude_none=True).encode()

    async def whole() -> AsyncIterator[bytes]:
        yield encoded

    return await stream(
        whole(),
        len(encoded),
        contextlib.nullcontext(),
        headers=dict(response.headers),
        media_type="application/json",
        call=call,
    )


async def with_images(  # noqa: PLR0913 - an answer has these parts
    results: ResultReader,
    job: Job,
    images: Mapping[str, Image],
    held: Callable[[int], contextlib.AbstractContextManager[None]],
    make: Callable[[dict[str, str]], BaseModel],
    response: Response,
    *,
    exclude_none: bool = False,
    call: HeldCall | None = None,
) -> Response:
    """A JSON answer with base64 images in it.

    :param held: as in `stream`, from the bytes of the images.
    :param make: the body, from the images' texts by name; it is given marks, at which the images are sent.
    :param response: its status and headers are the answer's.
    """
    # Random, so that no prompt can contain it.
    mark = secrets.token_hex(16)
    body = make({name: f"{mark}{name}{mark}" for name in images}).model_dump_json(exclude_none=exclude_none)
    texts = [text.encode() for text in re.split(f"{mark}(.*?){mark}", body)]
    sent = [images[name.decode()] for name in texts[1::2]]
    length = sum(map(len, texts[::2])) + sum(image.length for image in sent)

    async def pieces() -> AsyncIterator[bytes]:
        for text, image in zip(texts[::2], sent, strict=False):
            before = text
            async for chunk in results.chunks(places.images(job.id, job.attempt), image):
                yield before + chunk
                before = b""
            if before:
                yield before
        yield texts[-1]

    return await stream(
        pieces(),
        length,
        held(sum(image.length for image in sent)),
        status=response.status_code or 200,
        headers=dict(response.headers),
        call=call,
    )
