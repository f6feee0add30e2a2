"""The documented responses of each route for the OpenAPI page, with examples; the routes hand them to FastAPI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.openapi_errors import headers_of
from shared.results.formats import FORMATS
from shared.schemas import JobList, JobView, WebhookEvent

if TYPE_CHECKING:
    from fastapi import FastAPI

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
    "num_images": 1,
    "images": None,
    "variations": [],
    "files": [],
    "warnings": [],
    "palette": [],
    "style": None,
    "text": None,
    "layout": None,
    "colors": [],
    "background_color": None,
    "colors_share": None,
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
    "files": [
        {
            "name": "logo.svg",
            "format": "svg",
            "media_type": "image/svg+xml",
            "width": 1024,
            "height": 1024,
            "bytes": 8120,
            "url": f"/api/jobs/{_ID}/images/logo.svg",
            "data": None,
        }
    ],
    "warnings": [
        {
            "code": "background_not_uniform",
            "message": "512-transparent.png: the ground is not of one colour",
        }
    ],
    "palette": ["#c8321e", "#ffffff"],
    "model": "black-forest-labs/FLUX.1-dev",
    "timings": {"queued": 4.78, "denoise": 5.6, "finish": 0.8},
    "urls": _QUEUED["urls"] | {"images": {size: f"/api/jobs/{_ID}/images/{size}.png" for size in ("256", "512")}},
    "expires_at": "2026-11-23T22:00:11.300Z",
}


def example_of(body: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"example": body}}}


_JOBS = {200: ("The job, with its images once it has succeeded.", _SUCCEEDED), 202: ("Queued.", _QUEUED)}

_IMAGE_HEADERS = headers_of(
    "ETag", "Cache-Control", "Accept-Ranges", "X-Content-Type-Options", "Content-Security-Policy", "Content-Disposition"
)
_IMAGE_CONTENT: dict[str, Any] = {form.media_type: {} for form in FORMATS.values()}
IMAGE: dict[int | str, dict[str, Any]] = {
    200: {"content": _IMAGE_CONTENT, "description": "The image or file.", "headers": _IMAGE_HEADERS},
    206: {
        "content": _IMAGE_CONTENT,
        "description": "The part that `Range` asked for.",
        "headers": _IMAGE_HEADERS | headers_of("Content-Range"),
    },
    304: {"description": "The caller has the image: `If-None-Match` names its ETag.", "headers": _IMAGE_HEADERS},
    307: {
        "description": "Where the operator has it so: the store serves the image itself, at this URL for some minutes.",
        "headers": headers_of("Location", "Cache-Control"),
    },
}
_USE = {
    "jobs": {"succeeded": 41, "failed": 0, "canceled": 2, "expired": 0},
    "images": 44,
    "pixels": 60555264,
    "denoise_seconds": 171.3,
}
USAGE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "What the key has used.",
        "headers": headers_of("X-Quota-Remaining"),
        **example_of(
            {
                "from": "2026-11-01",
                "to": "2026-11-30",
                "days": [{"date": "2026-11-23", **_USE}],
                "total": _USE,
                "quota": {
                    "unit": "images",
                    "limit": 1000,
                    "remaining": 956,
                    "renewed_at": "2026-12-01T00:00:00Z",
                },
            }
        ),
    }
}
LISTED: dict[int | str, dict[str, Any]] = {
    200: {
        "model": JobList,
        "description": "A page of jobs.",
        "content": {
            "application/json": {
                "example": {"jobs": [_QUEUED, _SUCCEEDED | {"images": None}], "next_cursor": "MTc5NTQ2NzY0MDEyMA"}
            }
        },
    }
}


GENERATED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The image.",
        "headers": headers_of("Idempotent-Replayed", "X-Quota-Remaining"),
        **example_of(
            {
                "created": 1795467671,
                "data": [{"b64_json": "iVBORw0KGgo..."}],
                "background": "opaque",
                "output_format": "png",
                "quality": "high",
                "size": "512x512",
                "usage": {
                    "input_tokens": 0,
                    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
                    "output_tokens": 0,
                    "output_tokens_details": {"image_tokens": 0, "text_tokens": 0},
                    "total_tokens": 0,
                },
            }
        ),
    }
}
_GENERATED_EVENTS = (
    'event: image_generation.partial_image\ndata: {"b64_json":"/9j/4AAQSkZJRg...","background":"opaque",'
    '"created_at":1795467669,"quality":"high","size":"512x512","type":"image_generation.partial_image",'
    '"output_format":"jpeg","partial_image_index":0}\n\n'
    'event: image_generation.completed\ndata: {"b64_json":"iVBORw0KGgo...","background":"opaque",'
    '"created_at":1795467671,"quality":"high","size":"512x512","type":"image_generation.completed",'
    '"output_format":"png","usage":{"input_tokens":0,"output_tokens":0,"total_tokens":0}}\n\n'
)
GENERATED[200]["content"]["text/event-stream"] = {"schema": {"type": "string"}, "example": _GENERATED_EVENTS}
GENERATED[200]["headers"] |= headers_of("Cache-Control", "X-Accel-Buffering")
_MODEL = {"id": "gpt-image-1", "object": "model", "created": 0, "owned_by": "this server"}
MODEL: dict[int | str, dict[str, Any]] = {200: {"description": "The model.", **example_of(_MODEL)}}
# Documented by hand: FastAPI's own way would document a 422, and no name of a model is one.
MODEL_NAME = {
    "name": "model",
    "in": "path",
    "required": True,
    "description": "A name of the list; it may have slashes.",
    "schema": {"type": "string", "examples": [_MODEL["id"]]},
}
MODELS: dict[int | str, dict[str, Any]] = {
    200: {"description": "All names.", **example_of({"object": "list", "data": [_MODEL]})}
}
_PREDICTION = {
    "id": _ID,
    "model": "logo",
    "version": "hidden",
    "status": "starting",
    "input": {"prompt": "a red fox head, geometric", "seed": 7, "num_outputs": 1, "width": 512},
    "output": None,
    "logs": "",
    "error": None,
    "metrics": {},
    "data_removed": False,
    "created_at": "2026-11-23T21:00:00.120Z",
    "started_at": None,
    "completed_at": None,
    "urls": {name: f"https://HOST/v1/predictions/{_ID}{end}" for name, end in (("get", ""), ("cancel", "/cancel"))},
}
PREDICTION: dict[int, dict[int | str, dict[str, Any]]] = {
    status: {
        status: {
            "description": "The prediction.",
            "headers": headers_of(*("X-Quota-Remaining",) * (status == 201)),  # noqa: PLR2004 - an HTTP status
            **example_of(_PREDICTION),
        }
    }
    for status in (200, 201)
}
VERSION: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The version.",
        **example_of(
            {
                "id": "any",
                "created_at": "2026-01-01T00:00:00Z",
                "cog_version": "0.13.0",
                "openapi_schema": {"components": {"schemas": {"Output": {"type": "array"}}}},
            }
        ),
    }
}
LOGO: dict[int | str, dict[str, Any]] = {
    200: {"headers": headers_of("X-Quota-Remaining")}
    | example_of(
        {
            "message": "Logo generated successfully!",
            "prompt": "a red fox head, geometric",
            "images": {"256": "iVBORw0KGgo...", "512": "iVBORw0KGgo..."},
            "sizes": [256, 512],
            "model": "black-forest-labs/FLUX.1-dev",
        }
    )
}


def job_of(*statuses: int, headers: tuple[str, ...] = ()) -> dict[int | str, dict[str, Any]]:
    """The responses that carry a job, by status; they have `Retry-After` until the job is terminal."""
    return {
        status: {
            "model": JobView,
            "description": _JOBS[status][0],
            "headers": headers_of("Retry-After", *headers),
            "content": {"application/json": {"example": _JOBS[status][1]}},
        }
        for status in statuses
    }


def _form(title: str, description: str, required: tuple[str, ...] = ("prompt", "image")) -> dict[str, Any]:
    """A body with a file, beside the JSON that has the same fields."""
    properties = {
        "prompt": {"type": "string"},
        "image": {"type": "string", "format": "binary", "description": "PNG, JPEG or WebP, 8 MiB at most."},
        "strength": {"type": "number", "minimum": 0, "maximum": 1},
    }
    schema = {
        "title": title,
        "type": "object",
        "description": description,
        "required": list(required),
        "properties": properties,
        "additionalProperties": True,
    }
    return {"requestBody": {"content": {"multipart/form-data": {"schema": schema}}}}


WITH_FILE = _form("JobForm", "The fields of the JSON body, lists as JSON or as repeated parts, and the file.")
EDIT_FORM = _form("EditsForm", "The fields below as parts, and the file.")
VARIATION_FORM = _form("VariationsForm", "The fields below as parts, and the file.", ("image",))

EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The stream. The data of `snapshot`, `status` and `done` is the job without its images.",
        "headers": headers_of("Cache-Control", "X-Accel-Buffering"),
        "content": {
            "text/event-stream": {
                "example": "event: snapshot\nretry: 2000\n"
                f'data: {{"id": "{_ID}", "status": "queued"}}\n\n'
                "id: 1-running-12\nevent: progress\n"
                'data: {"step": 12, "steps": 28, "fraction": 0.4286, "queue_position": null, "eta_seconds": 4.1}\n\n'
                'event: preview\ndata: {"image": "/9j/4AAQSkZJRg..."}\n\n'
                ": heartbeat\n\n"
                f'id: 1-succeeded-28\nevent: done\ndata: {{"id": "{_ID}", "status": "succeeded"}}\n\n'
            }
        },
    },
    204: {"description": "`Last-Event-ID` is that of `done`: nothing follows, and an EventSource stops reconnecting."},
}

TAGS = [
    {"name": "app", "description": "The call of the mobile app."},
    {"name": "jobs", "description": "Submit, poll or long-wait, follow, cancel; images as bytes."},
    {"name": "OpenAI", "description": "OpenAI's Images API, as far as it is supported."},
    {"name": "Replicate", "description": "Replicate's predictions, as far as they are supported."},
    {"name": "service", "description": "Health and metrics of the service."},
]


def _untyped(media_type: str) -> dict[str, Any]:
    """The schema of an answer that has no model: generated clients give an answer without a schema no type."""
    if media_type == "application/json":
        return {"type": "object", "additionalProperties": True}
    return {"type": "string"} if media_type.startswith("text/") else {"type": "string", "format": "binary"}


def complete(app: FastAPI) -> None:
    """Adds to the OpenAPI page of `app` the headers that every response has, and a schema to all that has none."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        made = app.openapi_schema is not None
        schema = make()
        if not made:
            for call in (call for path in schema["paths"].values() for call in path.values()):
                for answer in call["responses"].values():
                    answer["headers"] = answer.get("headers", {}) | headers_of("X-Request-ID")
                    for media_type, content in answer.get("content", {}).items():
                        content["schema"] = content.get("schema") or _untyped(media_type)
        return schema

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI documents this way of extending the page


def job_ended(event: WebhookEvent) -> None:
    """Posted to `webhook_url` when the job has ended. Answer 2xx within 15 s; without that, delivery is retried for
    17 hours, and a 410 ends it. The headers `webhook-id`, `webhook-timestamp` and `webhook-signature` follow Standard
    Webhooks.
    """
