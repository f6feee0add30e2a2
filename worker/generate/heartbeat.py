"""The generate child's heartbeat: its device, its memory, and whether it is ready. `/health` reads it from Redis."""

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

    from shared.workers import Hold

log = get_logger(__name__)
# How often the thread checks whether the parent shuts down, because the parent cannot wake it.
CHECK_SECONDS = 0.2
# How long an ending process waits for Redis to remove its entry, which otherwise expires after ALIVE_SECONDS.
END_SECONDS = 3.0


class Heartbeat(threading.Thread):
    """Publishes the worker's entry every HEARTBEAT_SECONDS.

    :param describe: returns the entry.
    :param tell_parent: called before each report to Redis.
    :param told: called with what an operator has told the worker, after each report.
    :param ending: whether the parent has been told to shut down. From then on the worker reports that it is not ready,
        so that neither `/health/ready` nor the estimates count it while it ends its job, which may take minutes.
    """

    def __init__(
        self,
        client: redis.Redis,
        describe: Callable[[], WorkerInfo],
        tell_parent: Callable[[], None],
        ending: Callable[[], bool],
        told: Callable[[Hold], None] = lambda _: None,
    ) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._client = client
        self._describe = describe
        self._tell_parent = tell_parent
        self._ending = ending
        self._told = told
        self._hold: Hold = ""
        self._parent = os.getppid()
        self._now = threading.Event()
        self._over = False
        self._name = ""

    def report(self) -> None:
        """Makes the thread report at once, because something has changed."""
        self._now.set()

    def end(self) -> None:
        """Ends the thread and removes the worker's entry, after any report that is under way."""
        self._over = True
        self._now.set()
        self.join(END_SECONDS)

    def run(self) -> None:
        while not self._over:
            # First, because the report may wait for Redis.
            self._tell_parent()
            ending = self._ending()
            try:
                info = self._describe()
                self._name = info.name
                self._learn(info, ready=info.ready and not ending)
            except UNAVAILABLE as error:
                log.warning("heartbeat.failed", error=repr(error))
            self._wait(ending)
            if os.getppid() != self._parent:
                # The parent was killed: nobody can send this process a job, but it holds the GPU's lock. A job in hand
                # loses its lease and is drawn elsewhere.
                log.error("worker.orphaned")
                os._exit(1)
        with contextlib.suppress(*UNAVAILABLE):
            workers.retire(self._client, self._name)

    def _learn(self, info: WorkerInfo, *, ready: bool) -> None:
        """Reports, and again at once where the answer is news: a worker that is held takes no job, and is not ready."""
        hold = self._hold
        self._hold = workers.publish(self._client, replace(info, ready=ready and not hold, hold=hold)) or ""
        self._told(self._hold)
        if self._hold != hold:
            log.info("worker.told", hold=self._hold or "none", worker=info.name)
            self.report()

    def _wait(self, ending: bool) -> None:
        """Waits until the next heartbeat is due, or there is something to report."""
        due = time.monotonic() + HEARTBEAT_SECONDS
        while time.monotonic() < due and self._ending() == ending and not self._now.wait(CHECK_SECONDS):
            pass
        self._now.clear()
