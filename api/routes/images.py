"""The images and files of a job as bytes, with caching, ETags and byte ranges; image views and browsers fetch them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from api import byte_range, conditional
from api.auth import Bearer, KeyHeader, caller_of, owner_of
from api.deps import Deps, JobId, Services, own_job
from api.image_answers import decoded, expired, stream
from api.methods import AS_HEAD
from api.openapi import IMAGE
from api.openapi_errors import errors_of
from shared import errors
from shared.jobs import JobStatus
from shared.results import places
from shared.results.formats import FILE_NAME_PATTERN, PNG, SVG, ZIP, split_file_name
from shared.results.places import image_name

if TYPE_CHECKING:
    from shared.jobs import Job
    from shared.results.store import Image

# Long enough for a slow client to resume its download; a client that keeps the URL for longer asks this server again.
REDIRECT_SECONDS = 900
# Opened by its own URL, an SVG is a document of this server's origin: it must not run or load anything.
_SVG_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


async def _viewer(
    request: Request,
    bearer: Bearer,
    header: KeyHeader,
    expires: Annotated[int | None, Query(ge=0, lt=10**10, description="Part of a signed URL.")] = None,
    signature: Annotated[str | None, Query(max_length=64, description="Part of a signed URL.")] = None,
) -> str | None:
    """The caller's owner digest; None for the holder of a signed URL, who may see this image of any owner."""
    if signature is None:
        return owner_of(request, bearer, header)
    services: Services = request.app.state.services
    services.results.verify(request.url.path, expires or 0, signature)
    return None


Viewer = Annotated[str | None, Depends(_viewer)]


@router.get(
    "/{job_id}/images/{name}",
    operation_id="get_image",
    response_class=Response,
    responses=IMAGE
    | errors_of(
        401, 403, 404, "image_not_found", 409, 410, 416, 422, "too_many_bytes", "too_many_requests", 503, "overloaded"
    ),
)
async def image(  # noqa: PLR0913 - FastAPI's way of naming a request's parts
    request: Request,
    job_id: JobId,
    services: Deps,
    owner: Viewer,
    name: Annotated[
        str,
        Path(
            pattern=FILE_NAME_PATTERN,
            description="`SIZE.png`, for the second variation `SIZE-2.png`; SIZE is such as 512, or 1536x512 of "
            "what is no square. Or a name of the job's `files`, such as `SIZE.webp`, `SIZE-transparent.png`, "
            "`logo.svg`, `icons.zip` and `sheet.png`.",
            examples=["512.png"],
        ),
    ],
    if_none_match: Annotated[str | None, Header(description="The ETag that the caller has.")] = None,
    range_: Annotated[
        str | None, Header(alias="Range", description="One range of bytes, to resume a download.")
    ] = None,
    if_range: Annotated[str | None, Header(description="The ETag of the bytes that the caller has.")] = None,
) -> Response:
    """One image or file as bytes. The job's `urls.images` and `files` have its URL; a signed URL needs no API key."""
    job = (await own_job(services, owner, job_id)).job
    if job.status is not JobStatus.SUCCEEDED:
        raise errors.JobNotSuccessful(f"the job is {job.status}, it has no images")
    if name not in (names := _names_of(job)):
        raise errors.ImageNotFound(f"name: this job has {', '.join(names)}, not {name}")
    stem, form = split_file_name(name)
    place = places.images(job_id, job.attempt)
    stored = (await services.results.images(place)).get(form.part_name(stem))
    if stored is None:
        raise expired()
    length, etag = stored.size_bytes, stored.etag
    headers = {
        "ETag": etag,
        "Cache-Control": "private, max-age=3600, immutable",
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
    }
    if form is SVG:
        headers |= _SVG_HEADERS
    if form is ZIP:
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    if if_none_match and conditional.has(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    try:
        # If-Range with another ETag: a range of this image would not fit the bytes that the caller has.
        part = byte_range.part(range_, length) if if_range in (None, etag) else None
    except byte_range.Unsatisfiable:
        raise errors.RangeNotSatisfiable(
            f"Range: the image has {length} bytes", headers={"Content-Range": f"bytes */{length}"}
        ) from None
    redirects = services.settings.result_redirects and AS_HEAD not in request.scope  # what is signed is a GET
    if redirects and (url := await _elsewhere(services, job, stored)):
        return Response(status_code=307, headers={"Location": url, "Cache-Control": "no-store"})
    if part is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{length}"
    sent = part or slice(0, length)
    return await stream(
        decoded(services.results, place, stored, sent),
        sent.stop - sent.start,
        services.sending.hold(caller_of(request, owner), sent.stop - sent.start),
        status=206 if part else 200,
        headers=headers,
        media_type=form.media_type,
    )


async def _elsewhere(services: Services, job: Job, stored: Image) -> str | None:
    """The URL by which the store itself serves the image for a while, and no longer than it is kept."""
    left = job.images_expire_at // 1000 - round(time.time())
    return await services.results.direct_url(stored, max(1, min(REDIRECT_SECONDS, left)))


def _names_of(job: Job) -> list[str]:
    images = [(index, size) for index in range(job.num_images) for size in sorted(set(job.canvases))]
    return [PNG.file_name(image_name(size, index)) for index, size in images] + [file.name for file in job.files]
