"""The generate child's sign of life: its device, its memory, whether it is warm. `/health` reads it."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from shared import workers
from shared.connection import UNAVAILABLE
from shared.observability.logging import get_logger
from shared.workers import HEARTBEAT_SECONDS, WorkerInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

log = get_logger(__name__)


# How soon a parent that shuts down is no longer counted: it cannot wake a thread of its child.
LOOK_SECONDS = 0.2
# On its way out the process does not wait longer for Redis: its entry goes by itself after ALIVE_SECONDS.
END_SECONDS = 3.0


class Heartbeat(threading.Thread):
    """`ending`: whether the parent has been told to shut down. From then on the worker, whose job in hand may take
    minutes, is no longer ready, thus neither counted by `/health/ready` nor by the estimates.
    """

    def __init__(
        self,
        client: redis.Redis,
        describe: Callable[[], WorkerInfo],
        beat: Callable[[], None],
        ending: Callable[[], bool],
    ) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._client = client
        self._describe = describe
        self._tell_parent = beat
        self._ending = ending
        self._parent = os.getppid()
        self._now = threading.Event()
        self._over = False
        self._name = ""

    def beat(self) -> None:
        """Report at once: something has changed."""
        self._now.set()

    def end(self) -> None:
        """The process is about to end: the worker is no longer listed, and no beat that is under way undoes that."""
        self._over = True
        self._now.set()
        self.join(END_SECONDS)

    def run(self) -> None:
        while not self._over:
            # First, because Redis may let it wait.
            self._tell_parent()
            ending = self._ending()
            try:
                info = self._describe()
                self._name = info.name
                workers.publish(self._client, replace(info, ready=info.ready and not ending))
            except UNAVAILABLE as error:
                log.warning("heartbeat.failed", error=repr(error))
            self._wait(ending)
            if os.getppid() != self._parent:
                # The parent was killed. Nobody can send this process a job any more, and it still holds the GPU's lock;
                # a job in hand loses its lease and is drawn elsewhere.
                log.error("worker.orphaned")
                os._exit(1)
        with contextlib.suppress(*UNAVAILABLE):
            workers.retire(self._client, self._name)

    def _wait(self, ending: bool) -> None:
        """Until the next beat is due, or there is something to report."""
        due = time.monotonic() + HEARTBEAT_SECONDS
        while time.monotonic() < due and self._ending() == ending and not self._now.wait(LOOK_SECONDS):
            pass
        self._now.clear()
