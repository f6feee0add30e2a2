"""API keys and the FastAPI dependencies that check them.

Keys are held as SHA-256 digests and compared in constant time. A key's digest is also the owner of its jobs.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from starlette.datastructures import Headers

from api.callers import address
from shared.errors import Unauthorized
from shared.observability.logging import get_logger
from shared.tenants import Tenants

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from starlette.types import Scope

log = get_logger(__name__)
SHORT = 16  # characters of a key
DIGEST_LENGTH = 64  # an address has at most 45
DIGEST_SHOWN = 8  # its first characters, by which logs and pages name a key
_bearer = HTTPBearer(auto_error=False, description="An API key, if the server requires one.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False)


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


class Keys:
    """The keys from the settings, from a file with one key per line, which is read again whenever it changes, and those
    that are records (shared/tenants.py).
    """

    def __init__(self, keys: Iterable[str], file: Path | None = None, tenants: Tenants | None = None) -> None:
        keys = tuple(keys)
        _warn_of_short(keys)
        self._set = tuple(digest(key) for key in keys)
        self._file = file
        self._tenants = tenants or Tenants(None)
        self._version: tuple[int, int, int] | None = None
        self._digests = self._set
        self._read_again()

    @property
    def needed(self) -> bool:
        """Whether requests need a key. A configured file always requires one: an empty file must not open the API."""
        return bool(self._set) or self._file is not None or self._tenants.configured

    def owner(self, key: str | None) -> str:
        """The digest of `key`; empty if no keys are configured.

        :raises Unauthorized: `key` is missing, unknown or has expired.
        """
        if not self.needed:
            return ""
        self._read_again()
        offered = digest(key or "")
        # Every key is compared, so that the response time does not reveal which one matches.
        records = self._tenants.all()
        known = (*self._digests, *(tenant.hash for tenant in records))
        matches = [hmac.compare_digest(offered, digest) for digest in known]
        if not any(matches):
            raise Unauthorized("a valid API key is needed: 'Authorization: Bearer KEY' or 'X-API-Key: KEY'")
        tenant = self._tenants.of(offered)
        if tenant and not tenant.is_valid(datetime.now(UTC)):
            raise Unauthorized(f"this API key was valid until {tenant.expires_at:%Y-%m-%dT%H:%M:%SZ}")
        return offered

    def has(self, owner: str) -> bool:
        """Whether this is the digest of a key, as they were read last. It opens nothing, so it may be quick."""
        return owner in self._digests or self._tenants.of(owner) is not None

    def _read_again(self) -> None:
        if self._file is None:
            return
        try:
            found = self._file.stat()
            version = (found.st_mtime_ns, found.st_ino, found.st_size)
            if version == self._version:
                return
            # Not in the locale's encoding, and without the byte-order marks that some editors put before a file's first
            # key: one that was made of several such files has some in its midst.
            text = self._file.read_text(encoding="utf-8").replace("\ufeff", "")
            lines = [line.strip() for line in text.splitlines()]
            keys = [line for line in lines if line and not line.startswith("#")]
            _warn_of_short(keys)
            self._digests = (*self._set, *map(digest, keys))
            log.info("keys.read", count=len(self._digests))
        except (OSError, UnicodeError) as error:
            # The file is being replaced or is unreadable: the keys that were read last stay valid.
            version = None
            log.warning("keys.unreadable", error=repr(error))
        self._version = version


def _warn_of_short(keys: Iterable[str]) -> None:
    if short := sum(len(key) < SHORT for key in keys):
        # Critical, so that every LOG_LEVEL shows it.
        log.critical(
            "keys.short", count=short, characters=SHORT, hint="short keys can be guessed; use secrets of this length"
        )


Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
KeyHeader = Annotated[str | None, Depends(_header)]


async def _owner(request: Request, bearer: Bearer, header: KeyHeader) -> str:
    return owner_of(request, bearer, header)


def owner_of(request: Request, bearer: HTTPAuthorizationCredentials | None, header: str | None) -> str:
    """The owner by the request's key, also for the access log; empty if no keys are configured.

    :raises Unauthorized: the key is missing or unknown.
    """
    keys: Keys = request.app.state.keys
    request.state.owner = owner = keys.owner(offered_key(bearer, header))
    return owner


async def owner_of_request(request: Request) -> str:
    """As the dependency `Owner` finds it, where FastAPI resolves none, or before it does.

    :raises Unauthorized: the key is missing or unknown.
    """
    return owner_of(request, await _bearer(request), await _header(request))


def offered_key(bearer: HTTPAuthorizationCredentials | None, header: str | None) -> str | None:
    offered = bearer.credentials if bearer else header
    return None if offered is None else _sent(offered)


def _sent(value: str) -> str:
    """A key as its client meant it: a header has bytes, which are UTF-8 from most clients and Latin-1 from browsers.
    Starlette reads them all as Latin-1.
    """
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return value


Owner = Annotated[str, Depends(_owner)]


def caller_of(request: Request, owner: str | None) -> str:
    return owner or address(request.scope)


def probable_caller(keys: Keys, scope: Scope) -> str:
    """Whose call it will be, before its route checks the key; by the address if no key is known."""
    if not keys.needed:
        return address(scope)
    headers = Headers(scope=scope)
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    offered = bearer if scheme.lower() == "bearer" else headers.get("x-api-key")
    owner = "" if offered is None else digest(_sent(offered))
    return owner if keys.has(owner) else address(scope)


async def _caller(request: Request, owner: Owner) -> str:
    return caller_of(request, owner)


def shown(caller: str) -> str:
    """In logs: the beginning of the key's digest, by which a key's requests are found without naming it; an address
    whole.
    """
    return caller[:DIGEST_SHOWN] if len(caller) == DIGEST_LENGTH else caller


# All limits count by caller: the key's owner, or the client's address if no keys are configured.
Caller = Annotated[str, Depends(_caller)]
