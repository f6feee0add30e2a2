"""The base of the Celery tasks, which puts the ids on every log line. Tasks are thin; plain classes do the work."""

from __future__ import annotations

from typing import Any

import structlog
from celery import Task

from shared.jobs import RECORD_VERSION
from shared.observability.logging import get_logger

log = get_logger(__name__)


class JobTask(Task):  # type: ignore[misc] # Celery has no types
    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with structlog.contextvars.bound_contextvars(**ids(self.request, kwargs)):
            if kwargs.get("version", RECORD_VERSION) > RECORD_VERSION:
                # The API is newer than this worker, and may mean something else by this message.
                log.warning("message.newer", version=kwargs["version"], known=RECORD_VERSION)
            return super().__call__(*args, **kwargs)


def ids(request: Any, kwargs: dict[str, Any]) -> dict[str, str]:
    headers = getattr(request, "headers", None) or {}
    return {"request_id": headers.get("request_id", ""), "job_id": str(kwargs.get("job_id", ""))}
