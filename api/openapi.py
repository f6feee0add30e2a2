"""The answers of each call in the OpenAPI page, with an example for each."""

from __future__ import annotations

from typing import Any

from api.openai_shapes import OpenAIErrorResponse
from shared.schemas import ErrorResponse, JobList, JobView

_ID = "3f0c2d0e-6a5b-4f53-8d43-6f3a2f9f8f10"
_QUEUED: dict[str, Any] = {
    "id": _ID,
    "status": "queued",
    "prompt": "a red fox head, geometric",
    "sizes": [256, 512],
    "seed": 7,
    "priority": "normal",
    "created_at": "2026-11-23T21:00:00.120Z",
    "started_at": None,
    "finished_at": None,
    "progress": {"step": 0, "steps": None, "fraction": 0},
    "queue_position": 3,
    "eta_seconds": 19.4,
    "attempt": 0,
    "cancel_requested": False,
    "images": None,
    "model": None,
    "timings": {"queued": None, "denoise": None, "finish": None},
    "error": None,
    "urls": {
        "self": f"/api/jobs/{_ID}",
        "events": f"/api/jobs/{_ID}/events",
        "cancel": f"/api/jobs/{_ID}",
        "images": {},
    },
    "expires_at": None,
}
_SUCCEEDED = _QUEUED | {
    "status": "succeeded",
    "started_at": "2026-11-23T21:00:04.900Z",
    "finished_at": "2026-11-23T21:00:11.300Z",
    "progress": {"step": 28, "steps": 28, "fraction": 1},
    "queue_position": None,
    "eta_seconds": None,
    "attempt": 1,
    "images": {"256": "iVBORw0KGgo...", "512": "iVBORw0KGgo..."},
    "model": "black-forest-labs/FLUX.1-dev",
    "timings": {"queued": 4.78, "denoise": 5.6, "finish": 0.8},
    "urls": _QUEUED["urls"] | {"images": {size: f"/api/jobs/{_ID}/images/{size}.png" for size in ("256", "512")}},
    "expires_at": "2026-11-23T22:00:11.300Z",
}
_JOBS = {200: ("The job as it is; with its images once it has succeeded.", _SUCCEEDED), 202: ("Queued.", _QUEUED)}

_EXAMPLES: dict[int, tuple[str, str]] = {
    401: ("unauthorized", "a valid API key is needed: 'Authorization: Bearer KEY' or 'X-API-Key: KEY'"),
    403: ("url_not_valid", "expires: this URL has expired; read the job again for a new one"),
    404: ("job_not_found", "no job has the id 3f0c2d0e-6a5b-4f53-8d43-6f3a2f9f8f10"),
    409: ("job_not_successful", "the job is canceled, it has no images"),
    410: ("images_expired", "the images of this job have expired; submit it again with the same seed"),
    413: ("body_too_large", "body: more than 65536 bytes"),
    416: ("range_not_satisfiable", "Range: the image has 48213 bytes"),
    422: ("validation_error", "prompt: String should have at least 3 characters"),
    429: ("queue_full", "1000 jobs are queued, the bound is 1000"),  # or too_many_queued, of one key
    500: ("generation_failed", "Failed to generate logo: the model's output was not finite"),
    503: ("service_unavailable", "the job store is out of reach; try again"),
    504: ("still_running", "the logo was not ready within 300 s; the job goes on"),
}


PNG: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {}}, "description": "The PNG."},
    206: {"content": {"image/png": {}}, "description": "The part that `Range` asked for, with `Content-Range`."},
    304: {"description": "The caller has it: `If-None-Match` names its ETag."},
}
LISTED: dict[int | str, dict[str, Any]] = {
    200: {
        "model": JobList,
        "description": "A page.",
        "content": {
            "application/json": {
                "example": {"jobs": [_QUEUED, _SUCCEEDED | {"images": None}], "next_cursor": "MTc5NTQ2NzY0MDEyMA"}
            }
        },
    }
}


def job_of(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What answers with a job."""
    return {
        status: {
            "model": JobView,
            "description": _JOBS[status][0],
            "content": {"application/json": {"example": _JOBS[status][1]}},
        }
        for status in statuses
    }


def errors_of(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: error_of(status, *_EXAMPLES[status]) for status in statuses}


_OPENAI_EXAMPLES: dict[int, tuple[str, str, str, str | None]] = {
    400: ("validation_error", "invalid_request_error", "n: Input should be 1", "n"),
    401: ("invalid_api_key", "invalid_request_error", _EXAMPLES[401][1], None),
    409: ("job_not_successful", "invalid_request_error", "the job was canceled", None),
    410: ("images_expired", "invalid_request_error", "the image has expired; ask again", None),
    422: ("idempotency_conflict", "invalid_request_error", "Idempotency-Key: used with another body", None),
    429: ("queue_full", "rate_limit_error", _EXAMPLES[429][1], None),
    500: ("generation_failed", "server_error", _EXAMPLES[500][1], None),
    503: ("service_unavailable", "server_error", _EXAMPLES[503][1], None),
    504: ("still_running", "server_error", _EXAMPLES[504][1], None),
}


def openai_errors_of(*statuses: int) -> dict[int | str, dict[str, Any]]:
    found: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        code, kind, message, param = _OPENAI_EXAMPLES[status]
        example = {"error": {"message": message, "type": kind, "param": param, "code": code}}
        found[status] = {
            "model": OpenAIErrorResponse,
            "description": code.replace("_", " "),
            "content": {"application/json": {"example": example}},
        }
    return found


def error_of(status: int, code: str, message: str) -> dict[str, Any]:
    example: dict[str, Any] = {"error": {"code": code, "message": message}, "detail": message, "request_id": "b7e1"}
    if status == 422:  # noqa: PLR2004 - the one status whose detail is a list
        example["detail"] = [{"type": "string_too_short", "loc": ["body", "prompt"], "msg": message.split(": ")[1]}]
    return {
        "model": ErrorResponse,
        "description": code.replace("_", " "),
        "content": {"application/json": {"example": example}},
    }


EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The stream. The data of `snapshot`, `status` and `done` is the job without its images.",
        "content": {
            "text/event-stream": {
                "example": "id: 0-queued-0\nevent: snapshot\nretry: 2000\n"
                f'data: {{"id": "{_ID}", "status": "queued"}}\n\n'
                "id: 1-running-12\nevent: progress\n"
                'data: {"step": 12, "steps": 28, "fraction": 0.4286, "queue_position": null, "eta_seconds": 4.1}\n\n'
                ": heartbeat\n\n"
                f'id: 1-succeeded-28\nevent: done\ndata: {{"id": "{_ID}", "status": "succeeded"}}\n\n'
            }
        },
    },
    204: {"description": "`Last-Event-ID` is that of `done`: there is nothing more, and an EventSource stays away."},
    429: error_of(429, "too_many_streams", "200 streams of this key are open here, the bound is 200"),
}
