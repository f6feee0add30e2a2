"""A worker that takes no messages although some wait is ended, so that its supervisor starts it anew.

Celery's parent can stop to consume when Redis comes back: the process lives and its child beats, so that nothing else
notices, and jobs wait for ever. Seen once in some hundred restarts of Redis, with celery 5.7.0 and kombu 5.7.0: the
parent held a message that it had never handed to its idle child (docs/decisions/0013-deaf-workers.md).
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from celery import signals
from celery.worker import state

from shared.connection import UNAVAILABLE
from shared.ledger import counters
from shared.observability.logging import get_logger
from shared.queue import waiting_messages

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

log = get_logger(__name__)
LOOK_SECONDS = 5.0
# A minute: kombu itself takes up to 45 s to give up a half-open connection.
LOOKS = 12
PROBE = "logo:probe"


class ConsumerWatchdog(threading.Thread):
    """Looks from the parent of a pool at one queue. `client` must fail fast; `ready`: whether it means to take any."""

    def __init__(self, client: redis.Redis, queue: str, ready: Callable[[], bool] = lambda: True) -> None:
        super().__init__(name="consumer-watchdog", daemon=True)
        self._client = client
        self._queue = queue
        self._ready = ready
        self._begun = 0
        self._looks = 0

    def start_with_the_worker(self) -> None:
        """After its pool has forked the first children: what a thread holds at that moment is held in them for ever."""
        signals.worker_ready.connect(lambda **_: self.start(), weak=False)

    def run(self) -> None:
        while not self.look():
            time.sleep(LOOK_SECONDS)
        log.error("worker.deaf", queue=self._queue, seconds=LOOK_SECONDS * LOOKS)
        try:
            counters.count(self._client, counters.DEAF)
        finally:
            # No orderly end: it is the loop that would bring it about which does not do its work. No job is in hand.
            os._exit(1)

    def look(self) -> bool:
        """Whether it was deaf at each of the last LOOKS looks: messages wait, no job is in hand, none was begun."""
        begun = state.all_total_count[0]
        idle = self._ready() and not state.active_requests and begun == self._begun
        self._begun = begun
        self._looks = self._looks + 1 if idle and self._messages_wait() else 0
        return self._looks >= LOOKS

    def _messages_wait(self) -> bool:
        try:
            # From a server that is full or read-only nobody can take a message.
            self._client.set(PROBE, "", ex=60)
            return waiting_messages(self._client, self._queue) > 0
        except UNAVAILABLE:
            return False
