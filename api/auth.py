"""API keys: kept as digests, compared in constant time. The digest is also the owner that a job is filed under."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from shared.errors import Unauthorized

if TYPE_CHECKING:
    from collections.abc import Iterable

_bearer = HTTPBearer(auto_error=False, description="An API key, where the server asks for one.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False)


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


class Keys:
    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = tuple(digest(key) for key in keys)

    def owner(self, key: str | None) -> str:
        """The owner's digest; empty where no keys are set.

        :raises Unauthorized: no key, or none of ours.
        """
        if not self._digests:
            return ""
        offered = digest(key or "")
        # All are compared, so that the time does not tell which came close.
        matches = [hmac.compare_digest(offered, known) for known in self._digests]
        if not any(matches):
            raise Unauthorized("a valid API key is needed: 'Authorization: Bearer KEY' or 'X-API-Key: KEY'")
        return offered


Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
KeyHeader = Annotated[str | None, Depends(_header)]


async def _owner(
    request: Request,
    bearer: Bearer,
    header: KeyHeader,
) -> str:
    keys: Keys = request.app.state.keys
    return keys.owner(bearer.credentials if bearer else header)


Owner = Annotated[str, Depends(_owner)]
