"""The pending webhooks in the ledger and when each is due; the sweeper and the webhook worker use it.

A terminal move adds a job's webhook (lua/move.lua).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from shared.ledger import keys, reads
from shared.ledger.run import Command

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# The pause after each failed try: 17 hours in all.
RETRY_SECONDS = (5, 60, 300, 1800, 7200, 18000, 36000)
TRY_SECONDS = 15.0
# The time from sending the message to the end of the try. If the worker dies meanwhile, the webhook is due again.
HOLD_SECONDS = 2 * TRY_SECONDS
# The least that the record of a job with a webhook is kept until the webhook is settled: the last try needs it too.
KEPT_SECONDS = 24 * 3600


def due(limit: int = 500) -> Command[list[str]]:
    return reads.due(keys.WEBHOOKS, limit)


def hold(job_id: str) -> Command[bool]:
    """Postpones the webhook while its message is on the way; False if there is nothing to deliver."""
    return _due_in(job_id, HOLD_SECONDS, lambda tries: int(tries) >= 0)


def begin(job_id: str) -> Command[int | None]:
    """Counts a try and returns its number, from 1; None if there is nothing to deliver."""
    return _due_in(job_id, HOLD_SECONDS, lambda tries: int(tries) if tries > 0 else None, counted=True)


def retry(job_id: str, seconds: float) -> Command[bool]:
    return _due_in(job_id, seconds, lambda tries: int(tries) >= 0)


def settle(job_id: str, *, ttl_seconds: int) -> Command[None]:
    """Removes the webhook, which was delivered or given up; the record is kept for `ttl_seconds` more at most."""
    return Command("settle", (keys.WEBHOOKS, keys.job(job_id)), (job_id, ttl_seconds), lambda _: None)


def _due_in(job_id: str, seconds: float, parse: Callable[[Any], T], *, counted: bool = False) -> Command[T]:
    delay_ms = round(seconds * 1000)
    return Command("webhook", (keys.WEBHOOKS, keys.job(job_id)), (job_id, delay_ms, int(counted)), parse)
