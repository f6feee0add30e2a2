"""The gate before the generate queue: the parent consumes from it only while its child's model is warm.

Celery's consumer starts while the child still loads, so without the gate a loading worker would swallow a job that an
idle one could draw. The child tells its parent through shared memory, not through the broker: it holds while Redis is
away, and a child that died is noticed by its process id.
"""

from __future__ import annotations

import os
import signal
import time
from multiprocessing.sharedctypes import RawValue
from typing import Any

from celery import bootsteps

from shared.observability.logging import get_logger
from shared.queue import GENERATE
from worker.boot import process_exists

log = get_logger(__name__)
CHECK_SECONDS = 0.25
# The child beats every 2 s; one that waits for Redis, for 25 s at the most.
STUCK_SECONDS = 45.0

# Made in the parent before it forks: the process id of the child whose model is warm; negative while it loads; or 0.
_warm_pid = RawValue("i", 0)
_ending = RawValue("b", 0)
_beat_at = RawValue("d", 0.0)  # by the machine's monotonic clock
_consumers: list[Any] = []  # the parent's one, once it runs


def announce(pid: int) -> None:
    """Called by the child: its process id, negative while it loads."""
    if _ending.value:
        os._exit(0)  # the pool replaced a child that was ended below, before it knew of the shutdown
    beat()
    _warm_pid.value = pid


def beat() -> None:
    """Called by the child every few seconds."""
    _beat_at.value = time.monotonic()


def trouble() -> str:
    """What is wrong with the warm child, in a few words; empty: nothing, or there is none. One that loads has the time
    that Celery gives it (worker_proc_alive_timeout), one that hangs in a step has STALL_SECONDS.
    """
    pid = _warm_pid.value
    if pid <= 0:
        return ""
    if not process_exists(pid):
        return f"the child {pid} is gone"
    silent = time.monotonic() - _beat_at.value
    return f"the child {pid} sent no heartbeat for {silent:.0f} s" if silent > STUCK_SECONDS else ""


def warm() -> bool:
    """Whether there is a child that could draw."""
    return bool(_warm_pid.value > 0)


def ending() -> bool:
    """Whether the parent has been told to shut down; in the child too."""
    return bool(_ending.value)


def shut_down() -> None:
    """Called by the parent. A child that still loads has no job to end, and may take minutes."""
    _ending.value = 1
    if _warm_pid.value < 0:
        os.kill(-_warm_pid.value, signal.SIGKILL)


class Gate(bootsteps.StartStopStep):  # type: ignore[misc] # Celery has no types
    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        _consumers[:] = [consumer]
        self._timer = consumer.timer.call_repeatedly(CHECK_SECONDS, check, (consumer,))

    def stop(self, consumer: Any) -> None:  # noqa: ARG002 - Celery's signature
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def check(consumer: Any) -> None:
    children = {process.pid for process in consumer.pool._pool._pool if process.exitcode is None}  # noqa: SLF001 - no public list
    open_ = consumer.task_consumer.consuming_from(GENERATE)
    warm = _warm_pid.value in children
    if warm and not open_:
        consumer.add_task_queue(GENERATE)
        log.info("worker.ready", child=_warm_pid.value)
    elif open_ and not warm:
        close(consumer)


def child_lost() -> None:
    """Closes in the turn of the loop in which the death is noticed: the timer would leave time for a message."""
    for consumer in _consumers:
        if consumer.task_consumer is not None:  # None while the broker is away
            close(consumer)


def close(consumer: Any) -> None:
    _warm_pid.value = 0
    if consumer.task_consumer.consuming_from(GENERATE):
        consumer.cancel_task_queue(GENERATE)
        log.warning("worker.not_ready")
