"""Replaces a child that has died as soon as the system has its exit code.

Celery's pool looks for it when the child's end of a pipe closes, once, and every five seconds. The system closes the
pipe before it has the exit code: of a large process, such as one with a model, the pool may look too early.
"""

from __future__ import annotations

from typing import Any

from worker.consumer_timer import Looking


class Replacing(Looking):
    """A step of Celery's consumer in the parent of a prefork pool."""

    def look(self, consumer: Any) -> None:
        pool = consumer.pool._pool  # noqa: SLF001 - no public pool
        if any(process.exitcode is not None for process in pool._pool):  # noqa: SLF001 - no public list
            pool.maintain_pool()
