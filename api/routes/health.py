"""Health of the service: the root page, /health for people and the app, the probes for load balancers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from api import pages
from api.cors import for_any_page
from api.deps import Deps  # noqa: TC001 - FastAPI reads the annotations
from api.openapi import example_of
from api.openapi_errors import errors_of, headers_of
from shared import workers
from shared.connection import UNAVAILABLE
from shared.errors import ServiceUnavailable
from shared.ledger import reads
from shared.settings import VERSION

if TYPE_CHECKING:
    from shared.workers import WorkerInfo

router = APIRouter(tags=["service"])
_ROOT = {"message": "Logo generator", "version": VERSION, "status": "healthy", "docs": "/docs"}
_HEALTH = {
    "status": "healthy",
    "model": "logo-mini",
    "model_loaded": True,
    "gpu": {"gpu_available": False, "device_type": "cpu"},
    "environment": "production",
    "version": VERSION,
    "queue": {"depth": 0, "oldest_age_seconds": 0.0},
    "result_store": {"kind": "s3", "reachable": True},
    "workers": [],
}
_UNHEALTHY = {
    "description": "Redis is out of reach.",
    "headers": headers_of("Retry-After"),
    **example_of({"status": "unhealthy", "error": "Redis is out of reach: ConnectionError"}),
}
_PAGE_HEADERS = headers_of("Vary", "Content-Security-Policy", "X-Content-Type-Options", "Cache-Control")


@router.get("/", response_model=None, responses={200: {"headers": _PAGE_HEADERS, **example_of(_ROOT)}})
async def root(request: Request, services: Deps) -> Response:
    """Name and version; a browser gets the studio, a page to make logos on."""
    vary = {"Vary": "Accept"}
    if "text/html" in request.headers.get("accept", ""):
        return pages.studio(services.settings, vary)
    return JSONResponse(_ROOT | {"docs": f"{services.settings.root_path}/docs"}, headers=vary)


@router.get("/health", response_model=None, responses={200: example_of(_HEALTH), 503: _UNHEALTHY})
async def health(request: Request, services: Deps) -> JSONResponse | dict[str, Any]:
    """The state of the service, its queue, its workers and the store of the images. `gpu` is the device of the first
    live worker. While that store is out of reach, finished drawings wait.
    """
    try:
        live = await workers.live(services.client)
        backlog = await services.ledger.run(reads.backlog())
    except UNAVAILABLE as error:
        message = f"Redis is out of reach: {type(error).__name__}"
        return JSONResponse({"status": "unhealthy", "error": message}, 503, {"Retry-After": "2"})
    named = not for_any_page(request)
    reachable = await services.results.reachable()
    return {
        "status": "healthy",
        "model": live[0].model if live else "none",
        "model_loaded": any(worker.ready for worker in live),
        "gpu": _device(live[0]) if live else {"gpu_available": False, "device_type": "none"},
        "environment": services.settings.environment,
        "version": VERSION,
        "queue": {"depth": backlog.depth, "oldest_age_seconds": round(backlog.oldest_age_seconds, 3)},
        "result_store": {
            "kind": services.settings.result_store.partition(":")[0],
            "reachable": reachable is not False,
        },
        "workers": [
            {
                "name": w.name,
                "ready": w.ready,
                "model": w.model,
                "job_id": (w.job_id or None) if named else None,
                "waits_for_room": w.waits_for_room,
                "gpu": _device(w),
            }
            for w in live
        ],
    }


@router.get("/health/live", responses={200: example_of({"status": "alive"})})
async def alive() -> dict[str, str]:
    """200 while the process answers, whether or not a worker is ready. For load balancers and containers."""
    return {"status": "alive"}


@router.get("/health/ready", responses={200: example_of({"status": "ready", "workers": 1}), **errors_of(503)})
async def ready(services: Deps) -> dict[str, Any]:
    """200 if at least one worker has its model loaded, else 503."""
    count = sum(worker.ready for worker in await workers.live(services.client))
    if not count:
        raise ServiceUnavailable("no worker has its model loaded yet", retry_after_seconds=5)
    return {"status": "ready", "workers": count}


def _device(worker: WorkerInfo) -> dict[str, Any]:
    if worker.device_type != "cuda":
        return {"gpu_available": False, "device_type": worker.device_type}
    return {
        "gpu_available": True,
        "device_type": worker.device_type,
        "device_name": worker.device_name,
        "device_uuid": worker.device_uuid,
        "memory_allocated_gb": round(worker.memory_allocated_bytes / 1e9, 2),
        "memory_reserved_gb": round(worker.memory_reserved_bytes / 1e9, 2),
        "memory_total_gb": round(worker.memory_total_bytes / 1e9, 2),
    }
