"""Has Redis rewrite its append-only file after jobs were forgotten: it has their prompts until then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from redis.exceptions import ResponseError

from shared.ledger import keys
from shared.observability.logging import get_logger

if TYPE_CHECKING:
    import redis

log = get_logger(__name__)
# Between two rewrites: each writes all that Redis holds, images too.
REST_SECONDS = 300.0


class Rewriting:
    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._rests_until = float("-inf")

    def look(self) -> None:
        """Starts a rewrite if a job was forgotten since the last one was started."""
        if time.monotonic() < self._rests_until:
            return
        forgotten = int(cast("bytes | None", self._client.get(keys.FORGOTTEN)) or 0)
        if not forgotten:
            return
        rests_until = time.monotonic() + REST_SECONDS
        try:
            state = cast("dict[str, int]", self._client.info("persistence"))
            if state.get("aof_rewrite_in_progress") or state.get("aof_rewrite_scheduled"):
                return  # it may have begun before the job was forgotten
            self._rests_until = rests_until
            if state.get("aof_enabled"):
                self._client.bgrewriteaof()
                log.info("redis.rewritten", jobs=forgotten)
        except ResponseError as error:  # a hosted server may refuse either
            self._rests_until = rests_until
            log.warning("redis.not_rewritten", jobs=forgotten, error=repr(error))
            return
        # What is forgotten meanwhile counts for the next rewrite.
        self._client.decrby(keys.FORGOTTEN, forgotten)
