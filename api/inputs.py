"""What a job starts from: the image of a request, or that of an own job that has been drawn."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from api import pictures
from api.deps import own_job
from api.multipart import uploaded
from shared import errors
from shared.jobs import JobStatus
from shared.results import places
from shared.results.places import image_name
from shared.results.store import PartGone
from shared.schemas import UPLOADED, shape_fields

if TYPE_CHECKING:
    from api.deps import Services
    from shared.jobs import Job
    from shared.ledger.replies import Reading
    from shared.schemas import JobRequest


async def input_of(services: Services, request: JobRequest, owner: str) -> tuple[JobRequest, bytes | None]:
    """The request with a shape, which is its image's where it asks for none, and the image as an RGB PNG; None without.

    :raises errors.InvalidRequest: it is no image, none that is taken, or cut short.
    :raises errors.JobNotFound: no own job has this id.
    :raises errors.JobNotSuccessful: the job has no images.
    :raises errors.ImagesExpired: they have expired.
    """
    if request.image is None:
        return request, None
    if request.image.startswith(UPLOADED):
        upload = uploaded(request.image)
        if upload is None:
            raise errors.InvalidRequest("image: must be the id of a job, or a file of a multipart body")
        data = upload
    else:
        job = (await _own_job(services, request.image, owner)).job
        data = await _image_of(services, job, request.image_number or 1)
        if not request.has_shape:
            shape = shape_fields(job.largest) if job.canvas else {"sizes": list(job.sizes)}
            request = request.model_copy(update=shape)
    asked = max(request.canvases) if request.has_shape else None
    picture, canvas = await pictures.prepare(data, asked)
    if asked is None and not canvas.is_square:
        request = request.model_copy(update=shape_fields(canvas))
    return request, picture


async def _own_job(services: Services, job_id: str, owner: str) -> Reading:
    try:
        return await own_job(services, owner, job_id)
    except errors.JobNotFound:
        raise errors.JobNotFound(f"image: no job has the id {job_id}") from None


async def _image_of(services: Services, job: Job, number: int) -> bytes:
    """The largest PNG of a variation, from 1."""
    if job.status is not JobStatus.SUCCEEDED:
        raise errors.JobNotSuccessful(f"image: the job {job.id} is {job.status}, it has no images")
    if number > job.num_images:
        raise errors.ImageNotFound(f"image_number: the job has {job.num_images} images, not {number}")
    place = places.images(job.id, job.attempt)
    found = (await services.results.images(place)).get(image_name(job.largest, number - 1))
    if found is None:
        raise errors.ImagesExpired(f"image: the images of the job {job.id} have expired")
    try:
        encoded = [chunk async for chunk in services.results.chunks(place, found)]
    except PartGone:
        raise errors.ImagesExpired(f"image: the images of the job {job.id} have expired") from None
    return base64.b64decode(b"".join(encoded))
