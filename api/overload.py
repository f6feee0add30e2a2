"""ASGI middleware that refuses new calls while this process is late, before they cost anything.

A process that takes every call of a burst answers none of them in time. What it holds already goes on, and probes,
metrics and cancels are always taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.refusals import plain_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from api.refusals import Refusals

# With fewer calls at work it is not they that make the loop late, and to refuse more would not help.
FEW_CALLS = 64
ALWAYS_TAKEN = ("/health/live", "/health/ready", "/metrics")


class Overload:
    def __init__(self, app: ASGIApp, *, refusals: Refusals, held: Callable[[], int]) -> None:
        """:param held: the number of calls that wait for a job or for a turn, which costs next to nothing."""
        self.app = app
        self._refusals = refusals
        self._held = held
        self._at_work = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._refuses(scope):
            await self._refusals.late(scope)(scope, receive, send)
            return
        self._at_work += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._at_work -= 1

    def _refuses(self, scope: Scope) -> bool:
        if scope["method"] == "DELETE" or plain_path(scope) in ALWAYS_TAKEN:
            return False
        return self._refusals.lag.is_late and self._at_work - self._held() > FEW_CALLS
