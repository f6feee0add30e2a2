"""Ends a worker that takes no messages although some wait, so that its supervisor starts it anew.

Celery's parent process can stop consuming when Redis comes back: the process lives and its child sends heartbeats, so
nothing else notices, and jobs wait forever. It happens about once in a hundred restarts of Redis, with celery 5.7.0 and
kombu 5.7.0: the parent holds a message that it never hands to its idle child (docs/decisions/0013-deaf-workers.md).
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
CHECK_SECONDS = 5.0
# Together a minute: kombu itself takes up to 45 s to give up a half-open connection.
CHECKS = 12
PROBE = "logo:probe"


class ConsumerWatchdog(threading.Thread):
    """Runs in the parent of a pool and checks one queue.

    :param client: must fail fast.
    :param means_to_consume: returns False while the worker takes no messages on purpose.
    """

    def __init__(self, client: redis.Redis, queue: str, means_to_consume: Callable[[], bool] = lambda: True) -> None:
        super().__init__(name="consumer-watchdog", daemon=True)
        self._client = client
        self._queue = queue
        self._means_to_consume = means_to_consume
        self._begun = 0  # jobs, up to the last check
        self._failed_checks = 0  # in a row

    def start_with_the_worker(self) -> None:
        """Starts the thread once the pool has forked its children: a lock that the thread held at a fork would stay
        locked in the child.
        """
        signals.worker_ready.connect(lambda **_: self.start(), weak=False)

    def run(self) -> None:
        while not self.check():
            time.sleep(CHECK_SECONDS)
        log.error("worker.deaf", queue=self._queue, seconds=CHECK_SECONDS * CHECKS)
        try:
            counters.count(self._client, counters.DEAF)
        finally:
            # No orderly shutdown: the loop that would do it is the one that hangs. No job is in hand.
            os._exit(1)

    def check(self) -> bool:
        """Whether each of the last CHECKS checks failed: messages waited, no job was in hand and none had begun since
        the check before.
        """
        begun = state.all_total_count[0]
        idle = self._means_to_consume() and not state.active_requests and begun == self._begun
        self._begun = begun
        self._failed_checks = self._failed_checks + 1 if idle and self._messages_wait() else 0
        return self._failed_checks >= CHECKS

    def _messages_wait(self) -> bool:
        try:
            # A write, because nobody can take a message from a server that is full or read-only.
            self._client.set(PROBE, "", ex=60)
            return waiting_messages(self._client, self._queue) > 0
        except UNAVAILABLE:
            return False
