"""Open files of the process, of which each connection is one: raises their limit, and logs without a flood where they
run out.
"""

from __future__ import annotations

import contextlib
import resource
from typing import TYPE_CHECKING, Any

from shared.observability.logging import get_logger

if TYPE_CHECKING:
    import asyncio

log = get_logger(__name__)
# For what is no held call: the connections to Redis, those of short calls, and the process's own files.
RESERVED = 512
# Of the message that asyncio hands to the loop's exception handler, for each try.
ACCEPT_FAILED = "socket.accept() out of system resource"


def raise_limit() -> None:
    """Raises the soft limit, usually 1024, to the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems refuse their own hard limit.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    log.info("files.limited", most=resource.getrlimit(resource.RLIMIT_NOFILE)[0], before=soft)


def most_held_calls(wanted: int) -> int:
    """`wanted`, or what the limit of open files leaves of it."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or wanted + RESERVED <= soft:
        return wanted
    most = max(1, soft - RESERVED)
    log.warning("files.few", limit=soft, most_held_calls=most, hint="raise the hard limit of open files (ulimit -Hn)")
    return most


class AcceptFailures:
    """An exception handler of the loop, which logs connections that could not be accepted once a second.

    The loop tries as often as there may be connections in its backlog, and by default logs each try.
    """

    def __init__(self) -> None:
        self._logged_at = float("-inf")
        self._untold = 0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("message") != ACCEPT_FAILED:
            loop.default_exception_handler(context)
            return
        self._untold += 1
        if loop.time() - self._logged_at < 1:
            return
        log.error("connections.refused", tries=self._untold, error=repr(context.get("exception")))
        self._logged_at, self._untold = loop.time(), 0
