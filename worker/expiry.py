"""Has a store that does not expire by itself delete what has expired, beside the sweeper's loop: to list a large bucket
takes minutes, in which leases must be looked at.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from shared.connection import UNAVAILABLE
from shared.observability.logging import get_logger

if TYPE_CHECKING:
    from shared.results.store import ResultStore

log = get_logger(__name__)
# Between two looks: a twentieth of the time that images are kept, so that a store holds a twentieth more than it must.
SHARE, LEAST_SECONDS, MOST_SECONDS = 20, 60.0, 3600.0


class Expiry:
    def __init__(self, results: ResultStore, ttl_seconds: int) -> None:
        self._results = results
        self._pause = min(MOST_SECONDS, max(LEAST_SECONDS, ttl_seconds / SHARE))
        self._looked_at = float("-inf")
        self._thread: threading.Thread | None = None

    def look(self) -> None:
        """Begins a round if it is time for one and none is under way. Never blocks."""
        if time.monotonic() - self._looked_at < self._pause or (self._thread and self._thread.is_alive()):
            return
        self._looked_at = time.monotonic()
        self._thread = threading.Thread(target=self.run, name="expiry", daemon=True)
        self._thread.start()

    def run(self) -> None:
        try:
            if deleted := self._results.expire():
                log.info("images.expired", count=deleted)
        except UNAVAILABLE as error:
            log.warning("expiry.failed", error=str(error))
