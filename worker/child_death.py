"""In a worker's parent: what to do when its child died or overran the hard limit in mid-job.

The message is acknowledged and the job goes back through the ledger at once, instead of Celery's redelivery: that would
hand the message to this same worker while its next child still loads, although another may be idle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import signals

from shared.jobs import JobStatus
from shared.ledger import reads
from shared.observability.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.jobs import Job
    from shared.ledger.run import Ledger
    from worker.recovery import Recovery

log = get_logger(__name__)


def watch(
    ledger: Ledger, recovery: Recovery, held: Callable[[Job], bool], child_lost: Callable[[], None] = lambda: None
) -> None:
    """`jobs` must fail fast: this runs in the parent's event loop. The sweeper does what it could not. `held` says
    whether the dead child could have had the job: one that hung past its lease has a successor, whose it is now.
    """

    @signals.task_failure.connect(weak=False)
    def on_failure(exception: BaseException, kwargs: dict[str, Any] | None = None, **_: Any) -> None:
        job_id = str((kwargs or {}).get("job_id", ""))
        # Only the parent sees these two; what a task raises itself is signalled in the child.
        if not isinstance(exception, (WorkerLostError, TimeLimitExceeded)) or not job_id:
            return
        with structlog.contextvars.bound_contextvars(job_id=job_id):
            try:
                child_lost()
                reading = ledger.run(reads.job(job_id))
                if reading is None:
                    return
                structlog.contextvars.bind_contextvars(request_id=reading.job.request_id)
                log.error(
                    "worker.child_lost",
                    cause=type(exception).__name__,
                    status=reading.job.status,
                    holder=reading.job.worker,
                )
                if held(reading.job):
                    recovery.recover(reading.job, type(exception).__name__)
            except Exception:
                log.exception("worker.recovery_failed")
            finally:
                structlog.contextvars.unbind_contextvars("request_id")


def drawn_by(name: str) -> Callable[[Job], bool]:
    """For the parent of a generate worker: what its child drew, or had not claimed yet when it took the message."""
    return lambda job: job.status is JobStatus.QUEUED or job.worker == name


def is_finishing(job: Job) -> bool:
    """For the parent of finishers. Who finishes is not recorded: at the worst two do, and the ledger takes one."""
    return job.status is JobStatus.FINISHING
