"""The generate child's sign of life: its device, its memory, whether it is warm. `/health` reads it."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from shared import workers
from shared.connection import UNAVAILABLE
from shared.logging import get_logger
from shared.workers import HEARTBEAT_SECONDS, WorkerInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

log = get_logger(__name__)


class Heartbeat(threading.Thread):
    def __init__(self, client: redis.Redis, describe: Callable[[], WorkerInfo], beat: Callable[[], None]) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._client = client
        self._describe = describe
        self._tell_parent = beat
        self._parent = os.getppid()
        self._now = threading.Event()

    def beat(self) -> None:
        """Report at once: something has changed."""
        self._now.set()

    def run(self) -> None:
        while True:
            # First, because Redis may let it wait.
            self._tell_parent()
            try:
                workers.publish(self._client, self._describe())
            except UNAVAILABLE as error:
                log.warning("heartbeat.failed", error=repr(error))
            self._now.wait(HEARTBEAT_SECONDS)
            self._now.clear()
            if os.getppid() != self._parent:
                # The parent was killed. Nobody can send this process a job any more, and it still holds the GPU's lock;
                # a job in hand loses its lease and is drawn elsewhere.
                log.error("worker.orphaned")
                os._exit(1)
