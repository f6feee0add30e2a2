"""Webhooks that are to be delivered: when each is due, in the ledger. Terminal moves put them there (move.lua)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from shared.ledger import keys, reads
from shared.ledger.run import Command

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# After which try the next one comes how much later: 17 hours in all, less than a finished job's record is kept for.
RETRY_SECONDS = (5, 60, 300, 1800, 7200, 18000, 36000)
TRY_SECONDS = 15.0
# From the message to the end of the try; whoever sends it may die meanwhile, then it is due again.
HOLD_SECONDS = 2 * TRY_SECONDS


def due(limit: int = 500) -> Command[list[str]]:
    return reads.due(keys.WEBHOOKS, limit)


def hold(job_id: str) -> Command[bool]:
    """A message is on its way; False: there is nothing to deliver."""
    return _due_in(job_id, HOLD_SECONDS, lambda tries: int(tries) >= 0)


def begin(job_id: str) -> Command[int | None]:
    """The number of this try, from 1; None: there is nothing to deliver."""
    return _due_in(job_id, HOLD_SECONDS, lambda tries: int(tries) if tries > 0 else None, counted=True)


def retry(job_id: str, seconds: float) -> Command[bool]:
    return _due_in(job_id, seconds, lambda tries: int(tries) >= 0)


def settle(job_id: str) -> Command[None]:
    """Delivered or given up."""
    return Command("settle", (keys.WEBHOOKS,), (job_id,), lambda _: None)


def _due_in(job_id: str, seconds: float, parse: Callable[[Any], T], *, counted: bool = False) -> Command[T]:
    delay_ms = round(seconds * 1000)
    return Command("webhook", (keys.WEBHOOKS, keys.job(job_id)), (job_id, delay_ms, int(counted)), parse)
