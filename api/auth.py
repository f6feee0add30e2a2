"""API keys: kept as digests, compared in constant time. The digest is also the owner that a job is filed under."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from shared.errors import Unauthorized
from shared.observability.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

log = get_logger(__name__)
_bearer = HTTPBearer(auto_error=False, description="An API key, where the server asks for one.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False)


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Keys:
    """The keys of the settings and those of a file, one a line, which is read again whenever it has changed."""

    def __init__(self, keys: Iterable[str], file: Path | None = None) -> None:
        self._set = tuple(digest(key) for key in keys)
        self._file = file
        self._version: tuple[int, int, int] | None = None
        self._digests = self._set

    @property
    def needed(self) -> bool:
        """With a file they always are: one that is empty for a moment must not open the door."""
        return bool(self._set) or self._file is not None

    def owner(self, key: str | None) -> str:
        """The owner's digest; empty where no keys are set.

        :raises Unauthorized: no key, or none of ours.
        """
        if not self.needed:
            return ""
        self._read_again()
        offered = digest(key or "")
        # All are compared, so that the time does not tell which came close.
        matches = [hmac.compare_digest(offered, known) for known in self._digests]
        if not any(matches):
            raise Unauthorized("a valid API key is needed: 'Authorization: Bearer KEY' or 'X-API-Key: KEY'")
        return offered

    def _read_again(self) -> None:
        if self._file is None:
            return
        try:
            found = self._file.stat()
            version = (found.st_mtime_ns, found.st_ino, found.st_size)
            if version == self._version:
                return
            lines = (line.strip() for line in self._file.read_text().splitlines())
            self._digests = (*self._set, *(digest(line) for line in lines if line and not line.startswith("#")))
            log.info("keys.read", count=len(self._digests))
        except (OSError, UnicodeError) as error:
            # It is being replaced, or somebody has made it unreadable: the keys of before hold.
            version = None
            log.warning("keys.unreadable", error=repr(error))
        self._version = version


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


async def _caller(request: Request, owner: Owner) -> str:
    return owner or (request.client.host if request.client else "unknown")


# Whom a bound is for: the key's owner, or where no keys are asked for, the address.
Caller = Annotated[str, Depends(_caller)]
