"""A job as Replicate's API has it, a prediction; used by its routes and by the webhook worker."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads it when the class is built
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

from shared.jobs import JobStatus
from shared.representation import view
from shared.results.places import image_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.ledger.replies import Reading

SHAPE = "prediction"  # `webhook_shape` of a job whose webhook has this body
Status = Literal["starting", "processing", "succeeded", "failed", "canceled"]
_STATUS: dict[JobStatus, Status] = {
    JobStatus.QUEUED: "starting",
    JobStatus.RUNNING: "processing",
    JobStatus.FINISHING: "processing",
    JobStatus.SUCCEEDED: "succeeded",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELED: "canceled",
    JobStatus.EXPIRED: "canceled",
}


class PredictionUrls(BaseModel):
    get: str
    cancel: str


class Prediction(BaseModel):
    id: str = Field(description="The job's id.")
    model: str
    version: str = "hidden"
    status: Status
    input: dict[str, Any]
    output: list[str] | None = Field(description="Each image in the largest size: its https URL, or its data.")
    logs: str = Field(description="The progress, as Replicate's clients read it.")
    error: str | None
    metrics: dict[str, float]
    data_removed: bool = Field(False, description="The images have expired.")
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    urls: PredictionUrls


def prediction_of(
    reading: Reading, url_of: Callable[[str, int], str], base_url: str, images: Mapping[str, str] | None = None
) -> Prediction:
    """`url_of` and `base_url` as in `view`; clients need absolute URLs.

    :param images: base64 PNGs by name; None: the output has URLs.
    """
    job, seen = reading.job, view(reading, None, url_of, base_url=base_url)
    size = str(job.largest)
    urls = [variation.urls for variation in seen.variations] or [seen.urls.images]
    output = [of_size.get(size, "") for of_size in urls]
    if images is not None:
        output = [f"data:image/png;base64,{images[image_name(size, index)]}" for index in range(job.num_images)]
    done, own = seen.progress, f"{base_url}/v1/predictions/{job.id}"
    return Prediction(
        id=job.id,
        model=job.model or "logo",
        status=_STATUS[job.status],
        input={"prompt": job.prompt, "seed": job.seed, "num_outputs": job.num_images, "width": job.largest.width}
        | ({"height": job.largest.height} if job.canvas else {}),
        output=output if job.status is JobStatus.SUCCEEDED else None,
        logs=f"{done.fraction:.0%}|{'#' * round(10 * done.fraction):10}| {done.step}/{done.steps}"
        if done.steps
        else "",
        error=job.error_message or None,
        metrics={"predict_time": seen.timings.denoise} if seen.timings.denoise is not None else {},
        created_at=seen.created_at,
        started_at=seen.started_at,
        completed_at=seen.finished_at,
        urls=PredictionUrls(get=own, cancel=f"{own}/cancel"),
    )
