"""In a worker's parent: what to do when its child died or overran the hard limit in mid-job.

The message is acknowledged and the job goes back through the ledger at once, instead of Celery's redelivery: that would
hand the message to this same worker while its next child still loads, although another may be idle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import signals

from shared import ledger
from shared.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.scripts import Ledger
    from worker.recovery import Recovery

log = get_logger(__name__)


def watch(jobs: Ledger, recovery: Recovery, child_lost: Callable[[], None] = lambda: None) -> None:
    """`jobs` must fail fast: this runs in the parent's event loop. The sweeper does what it could not."""

    @signals.task_failure.connect(weak=False)
    def on_failure(exception: BaseException, kwargs: dict[str, Any] | None = None, **_: Any) -> None:
        job_id = str((kwargs or {}).get("job_id", ""))
        # Only the parent sees these two; what a task raises itself is signalled in the child.
        if not isinstance(exception, (WorkerLostError, TimeLimitExceeded)) or not job_id:
            return
        with structlog.contextvars.bound_contextvars(job_id=job_id):
            try:
                child_lost()
                reading = jobs.run(ledger.read(job_id))
                if reading is None:
                    return
                structlog.contextvars.bind_contextvars(request_id=reading.job.request_id)
                log.error("worker.child_lost", cause=type(exception).__name__, status=reading.job.status)
                recovery.recover(reading.job, type(exception).__name__)
            except Exception:
                log.exception("worker.recovery_failed")
            finally:
                structlog.contextvars.unbind_contextvars("request_id")
