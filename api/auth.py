"""API keys and the FastAPI dependencies that check them.

Keys are held as SHA-256 digests and compared in constant time. A key's digest is also the owner of its jobs.
"""

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
_bearer = HTTPBearer(auto_error=False, description="An API key, if the server requires one.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False)


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def is_loopback(host: str) -> bool:
    """Whether a server that listens on `host` can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Keys:
    """The keys from the settings and from a file with one key per line, which is read again whenever it changes."""

    def __init__(self, keys: Iterable[str], file: Path | None = None) -> None:
        self._set = tuple(digest(key) for key in keys)
        self._file = file
        self._version: tuple[int, int, int] | None = None
        self._digests = self._set

    @property
    def needed(self) -> bool:
        """Whether requests need a key. A configured file always requires one: an empty file must not open the API."""
        return bool(self._set) or self._file is not None

    def owner(self, key: str | None) -> str:
        """The digest of `key`; empty if no keys are configured.

        :raises Unauthorized: `key` is missing or unknown.
        """
        if not self.needed:
            return ""
        self._read_again()
        offered = digest(key or "")
        # Every key is compared, so that the response time does not reveal which one matches.
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
            # The file is being replaced or is unreadable: the keys that were read last stay valid.
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


def caller_of(request: Request, owner: str | None) -> str:
    return owner or (request.client.host if request.client else "unknown")


async def _caller(request: Request, owner: Owner) -> str:
    return caller_of(request, owner)


# All limits count by caller: the key's owner, or the client's address if no keys are configured.
Caller = Annotated[str, Depends(_caller)]
