"""How a call is refused before it costs anything, in the format of its path's API, and when it is to come again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from api import replicate_errors
from api.errors import respond
from api.openai_errors import respond_as_openai
from api.return_times import ReturnTimes
from shared.errors import Overloaded, TooManyRequests

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response
    from starlette.types import Scope

    from api.loop_lag import LoopLag


@dataclass(frozen=True)
class Refusals:
    """Those of one process.

    :param caller_of: whose call it is.
    :param count: called for each call that is refused because the process is late.
    """

    lag: LoopLag
    caller_of: Callable[[Scope], str]
    count: Callable[[], None]
    returns: ReturnTimes = field(default_factory=ReturnTimes)

    def late(self, scope: Scope) -> Response:
        self.count()
        message = f"this server is {self.lag.seconds:.1f} s late with what it has; try again later"
        return self._respond(scope, 503, Overloaded.code, message)

    def too_many(self, scope: Scope, reason: str) -> Response:
        return self._respond(scope, 429, TooManyRequests.code, f"{reason}; try again later")

    def _respond(self, scope: Scope, status: int, code: str, message: str) -> Response:
        again = self.returns.seconds(self.caller_of(scope), late=self.lag.was_late)
        headers = {"Retry-After": str(again)}
        path = plain_path(scope)
        if replicate_errors.is_replicates(path):
            return replicate_errors.respond(status, code, message, headers)
        as_openai = path.startswith("/v1/")
        return (respond_as_openai if as_openai else respond)(status, code, message, headers=headers)


def plain_path(scope: Scope) -> str:
    """Without the prefix that a proxy may have left in place."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
