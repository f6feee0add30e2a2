"""Webhooks that are to be delivered: when each is due, in the ledger. Terminal moves put them there (move.lua)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from shared.addresses import is_literal, may_be_called
from shared.errors import InvalidRequest
from shared.ledger import WEBHOOKS, job_key
from shared.scripts import Command

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.addresses import Networks

T = TypeVar("T")

# After which try the next one comes how much later: 17 hours in all, less than a finished job's record is kept for.
RETRY_SECONDS = (5, 60, 300, 1800, 7200, 18000, 36000)
TRY_SECONDS = 15.0
# From the message to the end of the try; whoever sends it may die meanwhile, then it is due again.
HOLD_SECONDS = 2 * TRY_SECONDS


def check_url(url: str, *, allow_http: bool, allowed: Networks) -> None:
    """What can be said before its name is looked up.

    :raises InvalidRequest: not a URL that may be called.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidRequest("webhook_url: not a URL")
    if parts.scheme != "https" and not (allow_http and parts.scheme == "http"):
        raise InvalidRequest("webhook_url: must begin with https://")
    if parts.username or parts.password:
        raise InvalidRequest("webhook_url: must not hold a user or a password")
    if is_literal(host) and not may_be_called(host, allowed):
        raise InvalidRequest("webhook_url: this address is not public")


def due(limit: int = 500) -> Command[list[str]]:
    return Command("due", (WEBHOOKS,), (limit,), lambda reply: [item.decode() for item in reply])


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
    return Command("settle", (WEBHOOKS,), (job_id,), lambda _: None)


def _due_in(job_id: str, seconds: float, parse: Callable[[Any], T], *, counted: bool = False) -> Command[T]:
    keys = (WEBHOOKS, job_key(job_id))
    return Command("webhook", keys, (job_id, round(seconds * 1000), int(counted)), parse)
