"""Signed URLs of images: whoever has one can fetch that image without an API key until the URL expires."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import TYPE_CHECKING

from shared.errors import UrlNotValid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import SecretStr


class UrlSigner:
    """Signs with the first key and verifies with all: to rotate, put a new key in front, and drop the old one once its
    URLs have expired.
    """

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        self._keys = [key.get_secret_value().encode() for key in keys]

    def sign(self, path: str, expires_at: int) -> str:
        """The path with its expiry (seconds since the epoch) and signature; unchanged without keys."""
        if not self._keys:
            return path
        return f"{path}?expires={expires_at}&signature={_signature(self._keys[0], path, expires_at)}"

    def verify(self, path: str, expires_at: int, signature: str) -> None:
        """:raises UrlNotValid: no key verifies the signature for this path and expiry, or the URL has expired."""
        good = [
            hmac.compare_digest(signature.encode(), _signature(key, path, expires_at).encode()) for key in self._keys
        ]
        if not any(good):
            raise UrlNotValid("signature: not valid for this URL; read the job again for a new one")
        if expires_at <= time.time():
            raise UrlNotValid("expires: this URL has expired; read the job again for a new one")


def _signature(key: bytes, path: str, expires_at: int) -> str:
    found = hmac.new(key, f"{path}\n{expires_at}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(found).decode().rstrip("=")
