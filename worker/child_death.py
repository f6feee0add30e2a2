"""Runs in a worker's parent: recovers the job of a child that died or overran the hard limit.

The message is acknowledged and the job goes back through the ledger at once. Celery's redelivery would hand the message
to this same worker while its next child still loads, although another worker may be idle.
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
    ledger: Ledger,
    recovery: Recovery,
    may_have_held: Callable[[Job], bool],
    child_lost: Callable[[], None] = lambda: None,
    *,
    worker: str = "",
) -> None:
    """Recovers jobs from now on, each time that a child dies.

    :param ledger: must fail fast, because it is used in the parent's event loop; the sweeper recovers what fails here.
    :param may_have_held: whether the dead child may have held the job. After a child hung past its lease, another
        worker holds the job, and it must stay there.
    :param child_lost: called first.
    :param worker: the name under which the ledger knows the child's job, where a message does not say which job it is
        (`moves.claim_next`). The message's job is looked at if the child held none.
    """

    @signals.task_failure.connect(weak=False)
    def on_failure(exception: BaseException, kwargs: dict[str, Any] | None = None, **_: Any) -> None:
        named = str((kwargs or {}).get("job_id", ""))
        # Only the parent sees these two; an exception that a task raises is signalled in the child.
        if not isinstance(exception, (WorkerLostError, TimeLimitExceeded)) or not named:
            return
        with structlog.contextvars.bound_contextvars(job_id=named):
            try:
                child_lost()
                held = ledger.run(reads.held(worker)) if worker else ""
                reading = ledger.run(reads.job(held or named))
                if reading is None:
                    return
                structlog.contextvars.bind_contextvars(job_id=reading.job.id, request_id=reading.job.request_id)
                log.error(
                    "worker.child_lost",
                    cause=type(exception).__name__,
                    status=reading.job.status,
                    holder=reading.job.worker,
                )
                if may_have_held(reading.job):
                    recovery.recover(reading.job, type(exception).__name__)
            except Exception:
                log.exception("worker.recovery_failed")
            finally:
                structlog.contextvars.unbind_contextvars("request_id")


def drawn_by(name: str) -> Callable[[Job], bool]:
    """For the parent of a generate worker `name`: its child claimed the job, or died before it could claim it."""
    return lambda job: job.status is JobStatus.QUEUED or job.worker == name


def is_finishing(job: Job) -> bool:
    """For the parent of finishers. The ledger does not record which finisher holds a job: at worst two finish it, and
    the ledger takes the first result.
    """
    return job.status is JobStatus.FINISHING
