"""Every error that crosses a boundary: one base, stable codes. The HTTP status is given at the edge (api/errors.py).

LogoError
|- RequestError            the caller can mend it
|  |- InvalidRequest       a field is out of its bounds
|  |- Unauthorized         no valid API key
|  |- UrlNotValid          a signed URL that has expired or was changed
|  |- JobNotFound          unknown, or another key's
|  |- ImageNotFound        the job has no image of that name
|  |- IdempotencyConflict  same key, other body
|  |- JobNotSuccessful     canceled or expired
|  |- ImagesExpired        the record outlived its images
|  |- RangeNotSatisfiable  of an image's bytes
|  |- QueueFull            try later
|  |- TooManyQueued        by this key; try later
|  |- TooManyHigh          of high priority by this key; try later, or as normal
|  |- TooManyStreams       of this caller; close one, or poll
|  |- TooManyRequests      of this caller; try later
|- ServiceUnavailable      Redis is out of reach, full or read-only
|- StillRunning            the app's call was held as long as it may be; the job goes on
|- GenerationFailed        the job failed
"""

from __future__ import annotations

from typing import Any, ClassVar


class LogoError(Exception):
    code: ClassVar[str] = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        retry_after_seconds: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.retry_after_seconds = retry_after_seconds
        self.headers = headers or {}


class RequestError(LogoError):
    code = "bad_request"


class InvalidRequest(RequestError):
    code = "validation_error"


class Unauthorized(RequestError):
    code = "unauthorized"


class UrlNotValid(RequestError):
    code = "url_not_valid"


class JobNotFound(RequestError):
    code = "job_not_found"


class ImageNotFound(RequestError):
    code = "image_not_found"


class IdempotencyConflict(RequestError):
    code = "idempotency_conflict"


class JobNotSuccessful(RequestError):
    code = "job_not_successful"


class ImagesExpired(RequestError):
    code = "images_expired"


class RangeNotSatisfiable(RequestError):
    code = "range_not_satisfiable"


class QueueFull(RequestError):
    code = "queue_full"


class TooManyQueued(RequestError):
    code = "too_many_queued"


class TooManyHigh(RequestError):
    code = "too_many_high"


class TooManyStreams(RequestError):
    code = "too_many_streams"


class TooManyRequests(RequestError):
    code = "too_many_requests"


class ServiceUnavailable(LogoError):
    code = "service_unavailable"


class StillRunning(LogoError):
    code = "still_running"


class GenerationFailed(LogoError):
    code = "generation_failed"
