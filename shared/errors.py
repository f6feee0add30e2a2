"""The errors that reach clients: one base class, stable codes. api/errors.py maps them to HTTP statuses.

LogoError
|- RequestError            the caller can correct it
|  |- InvalidRequest       a field is out of its bounds
|  |- MediaTypeNotTaken    a file of another kind than is taken
|  |- Unauthorized         no valid API key
|  |- UrlNotValid          a signed URL that has expired or was changed
|  |- JobNotFound          the job is unknown, or another owner's
|  |- ImageNotFound        the job has no image of that name
|  |- ModelNotFound        no model has that name
|  |- ContentFiltered      the prompt or the drawing is refused by SAFETY
|  |- IdempotencyConflict  the idempotency key was used for another body
|  |- JobNotSuccessful     the job was canceled or has expired
|  |- ImagesExpired        the images have expired before the record
|  |- RangeNotSatisfiable  the range contains no byte of the image
|  |- QueueFull            the queue is at its bound; try later
|  |- NoRoom               Redis has too little memory left for the result; try later
|  |- TooManyQueued        the key's queued jobs are at their bound; try later
|  |- TooManyHigh          the key's queued jobs of high priority are at their bound; try later, or as normal
|  |- TooManyStreams       the caller's event streams are at their bound; close one, or poll
|  |- TooManyWaits         the caller's held calls are at their bound; poll
|  |- TooManyBytes         the caller is being sent as many bytes of images as it may; try later
|  |- TooManyRequests      the caller submits too often; try later
|  |- QuotaExceeded        the key has used up its quota of this month
|- ServiceUnavailable      Redis is out of reach, full or read-only, or no worker is ready
|- Overloaded              this API process holds as much as it may; try later
|- StillRunning            the job has not ended within REQUEST_TIMEOUT; it goes on
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


class MediaTypeNotTaken(RequestError):
    code = "media_type_not_taken"


class Unauthorized(RequestError):
    code = "unauthorized"


class UrlNotValid(RequestError):
    code = "url_not_valid"


class JobNotFound(RequestError):
    code = "job_not_found"


class ImageNotFound(RequestError):
    code = "image_not_found"


class ModelNotFound(RequestError):
    code = "model_not_found"


class ContentFiltered(RequestError):
    code = "content_filtered"


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


class NoRoom(RequestError):
    code = "no_room"


class TooManyQueued(RequestError):
    code = "too_many_queued"


class TooManyHigh(RequestError):
    code = "too_many_high"


class TooManyStreams(RequestError):
    code = "too_many_streams"


class TooManyWaits(RequestError):
    code = "too_many_waits"


class TooManyBytes(RequestError):
    code = "too_many_bytes"


class TooManyRequests(RequestError):
    code = "too_many_requests"


class QuotaExceeded(RequestError):
    code = "quota_exceeded"


class ServiceUnavailable(LogoError):
    code = "service_unavailable"


class Overloaded(LogoError):
    code = "overloaded"


class StillRunning(LogoError):
    code = "still_running"


class GenerationFailed(LogoError):
    code = "generation_failed"
