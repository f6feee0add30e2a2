"""ASGI middleware that refuses new calls while this process is late, before they cost anything.

A process that takes every call of a burst answers none of them in time. What it holds already goes on, and probes,
metrics and cancels are always taken.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from api import replicate_errors
from api.errors import respond
from api.openai_errors import respond_as_openai
from shared.errors import Overloaded

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from api.loop_lag import LoopLag

# With fewer calls at work it is not they that make the loop late, and to refuse more would not help.
FEW_CALLS = 64
# Callers come back spread over this time. They are told at random, else they would all come back at once.
RETRY_AFTER_SECONDS = (1, 10)
ALWAYS_TAKEN = ("/health/live", "/health/ready", "/metrics")


class Overload:
    def __init__(self, app: ASGIApp, *, lag: LoopLag, held: Callable[[], int], count: Callable[[], None]) -> None:
        """:param held: the number of calls that wait for a job or for a turn, which costs next to nothing.
        :param count: called for each call that is refused.
        """
        self.app = app
        self._lag = lag
        self._held = held
        self._count = count
        self._at_work = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._refuses(scope):
            self._count()
            message = f"this server is {self._lag.seconds:.1f} s late with what it has; try again later"
            await refusal(plain_path(scope), 503, Overloaded.code, message)(scope, receive, send)
            return
        self._at_work += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._at_work -= 1

    def _refuses(self, scope: Scope) -> bool:
        if scope["method"] == "DELETE" or plain_path(scope) in ALWAYS_TAKEN:
            return False
        return self._lag.is_late and self._at_work - self._held() > FEW_CALLS


def plain_path(scope: Scope) -> str:
    """Without the prefix that a proxy may have left in place."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def refusal(path: str, status: int, code: str, message: str) -> Response:
    """In the format of the path's API."""
    headers = {"Retry-After": str(random.randint(*RETRY_AFTER_SECONDS))}  # noqa: S311 - no secret
    if replicate_errors.is_replicates(path):
        return replicate_errors.respond(status, code, message, headers)
    as_openai = path.startswith("/v1/")
    return (respond_as_openai if as_openai else respond)(status, code, message, headers=headers)
