"""The errors of each call in the OpenAPI page, with an example for each."""

from __future__ import annotations

from typing import Any

from shared.schemas import ErrorResponse

_EXAMPLES: dict[int, tuple[str, str]] = {
    401: ("unauthorized", "a valid API key is needed: 'Authorization: Bearer KEY' or 'X-API-Key: KEY'"),
    404: ("job_not_found", "no job has the id 3f0c2d0e-6a5b-4f53-8d43-6f3a2f9f8f10"),
    409: ("job_not_successful", "the job is canceled, it has no images"),
    410: ("images_expired", "the images of this job have expired; submit it again with the same seed"),
    413: ("body_too_large", "body: more than 65536 bytes"),
    422: ("validation_error", "prompt: String should have at least 3 characters"),
    429: ("queue_full", "1000 jobs are queued, the bound is 1000"),
    500: ("generation_failed", "Failed to generate logo: the model's output was not finite"),
    503: ("service_unavailable", "the job store is out of reach; try again"),
    504: ("still_running", "the logo was not ready within 300 s; the job goes on"),
}


def errors_of(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: _response(status) for status in statuses}


def _response(status: int) -> dict[str, Any]:
    code, message = _EXAMPLES[status]
    example: dict[str, Any] = {"error": {"code": code, "message": message}, "detail": message, "request_id": "b7e1"}
    if status == 422:  # noqa: PLR2004 - the one status whose detail is a list
        example["detail"] = [{"type": "string_too_short", "loc": ["body", "prompt"], "msg": message.split(": ")[1]}]
    return {
        "model": ErrorResponse,
        "description": code.replace("_", " "),
        "content": {"application/json": {"example": example}},
    }
