"""Converts a job of the ledger to the JSON of the API; used by the routes, the event stream and the webhook worker."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shared.jobs import JobStatus
from shared.results.formats import FORMATS, PNG
from shared.results.places import image_name
from shared.schemas import FileView, JobError, JobView, OutputWarning, Progress, Timings, Urls, Variation

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.jobs import Job
    from shared.ledger.replies import Reading

_DRAWN = (JobStatus.FINISHING, JobStatus.SUCCEEDED)


def view(  # noqa: PLR0913 - an answer has these parts
    reading: Reading,
    images: dict[str, str] | None,
    url_of: Callable[[str, int], str],
    eta_seconds: float | None = None,
    base_url: str = "",
    *,
    with_files: bool = False,
) -> JobView:
    """`images`: base64 PNGs by name, or None to leave them out; `with_files`: they have the files too, which are shown.
    `url_of` makes the URL of an image from its path and expiry (seconds since the epoch), as `ResultReader.url` does.
    `base_url` makes the URLs absolute.
    """
    job = reading.job
    url = f"/api/jobs/{job.id}"
    succeeded = job.status is JobStatus.SUCCEEDED

    def file_url(name: str) -> str:
        return base_url + url_of(f"{url}/images/{name}", job.images_expire_at // 1000)

    def image_urls(index: int) -> dict[str, str]:
        return {str(size): file_url(PNG.file_name(image_name(size, index))) for size in sorted(set(job.canvases))}

    return JobView(
        id=job.id,
        status=job.status,
        prompt=job.prompt,
        sizes=[] if job.canvas else list(job.sizes),
        width=job.largest.width if job.canvas else None,
        height=job.largest.height if job.canvas else None,
        strength=job.strength if job.has_image else None,
        seed=job.seed,
        priority=job.priority,
        created_at=_required_time(job.created_at),
        started_at=_time(job.started_at),
        finished_at=_time(job.finished_at),
        progress=progress(job),
        queue_position=reading.queue_position,
        eta_seconds=eta_seconds,
        attempt=job.attempt,
        cancel_requested=job.cancel_requested,
        num_images=job.num_images,
        images=None if images is None else _by_size(images, job, 0),
        variations=_variations(job, image_urls, images) if succeeded and job.num_images > 1 else [],
        files=_files(job, file_url, (images or {}) if with_files else {}),
        warnings=[OutputWarning(code=warning.code, message=warning.message) for warning in job.warnings],
        palette=list(job.palette),
        style=job.style or None,
        text=job.text or None,
        layout=job.layout or None,
        colors=list(job.colors),
        background_color=job.background_color or None,
        colors_share=None if job.colors_share < 0 else job.colors_share,
        model=job.model or None,
        timings=Timings(
            queued=_seconds(job.created_at, job.started_at),
            denoise=_seconds(job.started_at, job.drawn_at),
            finish=_seconds(job.drawn_at, job.finished_at),
        ),
        error=JobError(code=job.error_code, message=job.error_message) if job.error_code else None,
        urls=Urls(
            self=base_url + url,
            events=f"{base_url}{url}/events",
            cancel=base_url + url,
            images=image_urls(0) if succeeded else {},
        ),
        expires_at=_time(job.images_expire_at),
    )


def _variations(
    job: Job, image_urls: Callable[[int], dict[str, str]], images: dict[str, str] | None
) -> list[Variation]:
    return [
        Variation(seed=seed, images=None if images is None else _by_size(images, job, i), urls=image_urls(i))
        for i, seed in enumerate(job.seeds)
    ]


def _files(job: Job, file_url: Callable[[str], str], data: dict[str, str]) -> list[FileView]:
    """A format of a later version is shown as plain bytes."""
    return [
        FileView(
            name=file.name,
            format=file.format,
            media_type=FORMATS[file.format].media_type if file.format in FORMATS else "application/octet-stream",
            width=file.width or None,
            height=file.height or None,
            bytes=file.bytes,
            url=file_url(file.name),
            data=data.get(file.name),
        )
        for file in job.files
    ]


def _by_size(images: dict[str, str], job: Job, index: int) -> dict[str, str]:
    """The images of variation `index` by size."""
    return {str(size): images[image_name(size, index)] for size in sorted(set(job.canvases))}


def progress(job: Job) -> Progress:
    fraction = 1.0 if job.status in _DRAWN else job.step / job.steps if job.steps else 0.0
    return Progress(step=job.step, steps=job.steps or None, fraction=round(fraction, 4))


def _required_time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _time(milliseconds: int) -> datetime | None:
    return _required_time(milliseconds) if milliseconds else None


def _seconds(start: int, end: int) -> float | None:
    return (end - start) / 1000 if start and end else None
