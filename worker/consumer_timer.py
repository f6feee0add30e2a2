"""A step of Celery's consumer that looks again and again, in the event loop of a worker's parent."""

from __future__ import annotations

from typing import Any

from celery import bootsteps

CHECK_SECONDS = 0.25


class Looking(bootsteps.StartStopStep):  # type: ignore[misc] # Celery has no types
    """Calls `look` every CHECK_SECONDS while the consumer runs."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        self._timer = consumer.timer.call_repeatedly(CHECK_SECONDS, self.look, (consumer,))

    def stop(self, consumer: Any) -> None:  # noqa: ARG002 - Celery's signature
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def look(self, consumer: Any) -> None:
        raise NotImplementedError
