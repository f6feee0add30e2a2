"""The gate before the generate queue: the parent consumes from the queue only while its child's model is warm.

Celery's consumer starts while the child still loads, so without the gate a loading worker would take a job that an idle
one could draw. The child tells its parent through shared memory and not through the broker, so that readiness does not
depend on Redis. The parent notices by the process id that a child has died.
"""

from __future__ import annotations

import os
import signal
import time
from multiprocessing.sharedctypes import RawValue
from typing import TYPE_CHECKING, Any

from shared.observability.logging import get_logger
from shared.queue import GENERATE
from worker.boot import process_exists
from worker.consumer_timer import Looking

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.workers import Hold

log = get_logger(__name__)
HOLDS: tuple[Hold, ...] = ("", "paused", "draining")
# The child sends a heartbeat every 2 s, and at least every 25 s while it waits for Redis.
STUCK_SECONDS = 45.0

# Shared memory, made in the parent before it forks.
_warm_pid = RawValue("i", 0)  # the process id of the child whose model is warm; negative while it loads; 0 for neither
_ending = RawValue("b", 0)  # 1 once the parent has been told to shut down
_hold = RawValue("b", 0)  # what an operator told the worker: its place in HOLDS
_heartbeat_at = RawValue("d", 0.0)  # when the child sent its last heartbeat, by the machine's monotonic clock
_drained: list[int] = []  # the parent, once it has told itself to shut down
_consumers: list[Any] = []  # the parent's consumer, once it runs
_when_lost: list[Callable[[], None]] = []  # to be called by the parent when its warm child is gone


def announce(pid: int) -> None:
    """Called by the child with its process id, which is negative while the child loads."""
    if _ending.value:
        os._exit(0)  # the pool forked this child in place of one that `shut_down` killed
    heartbeat()
    _warm_pid.value = pid


def heartbeat() -> None:
    """Called by the child every few seconds."""
    _heartbeat_at.value = time.monotonic()


def told(hold: Hold) -> None:
    """Called by the child with what an operator has told the worker."""
    _hold.value = HOLDS.index(hold)


def held() -> bool:
    """Whether an operator has told the worker to take no more jobs. Works in the child too."""
    return bool(_hold.value)


def means_to_consume() -> bool:
    return warm() and not held()


def trouble() -> str:
    """Says what is wrong with the warm child, in a few words; empty if nothing is, or if no child is warm.

    A child that loads is not checked here: Celery limits its time (worker_proc_alive_timeout). Nor is a denoising step
    that hangs, which STALL_SECONDS limits.
    """
    pid = _warm_pid.value
    if pid <= 0:
        return ""
    if not process_exists(pid):
        return f"the child {pid} is gone"
    silent = time.monotonic() - _heartbeat_at.value
    return f"the child {pid} sent no heartbeat for {silent:.0f} s" if silent > STUCK_SECONDS else ""


def warm() -> bool:
    """Whether there is a child whose model is warm."""
    return bool(_warm_pid.value > 0)


def ending() -> bool:
    """Whether the parent has been told to shut down. Works in the child too."""
    return bool(_ending.value)


def shut_down() -> None:
    """Called by the parent. Kills a child that still loads, which may take minutes and has no job to end."""
    _ending.value = 1
    if _warm_pid.value < 0:
        os.kill(-_warm_pid.value, signal.SIGKILL)


class Gate(Looking):
    """A step of Celery's consumer in the parent, which opens and closes the generate queue by `check`."""

    def start(self, consumer: Any) -> None:
        _consumers[:] = [consumer]
        super().start(consumer)

    def look(self, consumer: Any) -> None:
        check(consumer)


def check(consumer: Any) -> None:
    """Opens the generate queue if a living child of the pool is warm and may take jobs; closes it if none is."""
    children = {process.pid for process in consumer.pool._pool._pool if process.exitcode is None}  # noqa: SLF001 - no public list
    open_ = consumer.task_consumer.consuming_from(GENERATE)
    warm = _warm_pid.value in children
    if warm and not open_ and not held():
        consumer.add_task_queue(GENERATE)
        log.info("worker.ready", child=_warm_pid.value)
    elif open_ and not warm:
        close(consumer)
    elif open_ and held():
        consumer.cancel_task_queue(GENERATE)
        log.info("worker.held", hold=HOLDS[_hold.value])
    if HOLDS[_hold.value] == "draining" and not _drained:
        # As by its supervisor: the job in hand is ended first.
        _drained.append(os.getpid())
        log.info("worker.drained")
        os.kill(os.getpid(), signal.SIGTERM)


def when_lost(call: Callable[[], None]) -> None:
    """Lets the parent make this call each time that its warm child is gone."""
    _when_lost[:] = [call]


def child_lost() -> None:
    """Closes the queue as soon as the parent notices the death: until the next `check` a message could come."""
    for consumer in _consumers:
        if consumer.task_consumer is not None:  # None while the broker is away
            close(consumer)


def close(consumer: Any) -> None:
    _warm_pid.value = 0
    if consumer.task_consumer.consuming_from(GENERATE):
        consumer.cancel_task_queue(GENERATE)
        log.warning("worker.not_ready")
        for call in _when_lost:
            call()
