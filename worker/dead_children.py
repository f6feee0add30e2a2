"""Replaces a child that has died as soon as the system has its exit code.

Celery's pool looks for it when the child's end of a pipe closes, once, and every five seconds. The system closes the
pipe before it has the exit code: of a large process, such as one with a model, the pool may look too early.
"""

from __future__ import annotations

from typing import Any

from celery import bootsteps

CHECK_SECONDS = 0.25


class Replacing(bootsteps.StartStopStep):  # type: ignore[misc] # Celery has no types
    """A step of Celery's consumer in the parent of a prefork pool."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        self._timer = consumer.timer.call_repeatedly(CHECK_SECONDS, replace_dead, (consumer.pool._pool,))  # noqa: SLF001 - no public pool

    def stop(self, consumer: Any) -> None:  # noqa: ARG002 - Celery's signature
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def replace_dead(pool: Any) -> None:
    if any(process.exitcode is not None for process in pool._pool):  # noqa: SLF001 - no public list
        pool.maintain_pool()
