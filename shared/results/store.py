"""What a store of results does for the workers (blocking) and for the API (asyncio)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.results.places import Place

# Longer than any stay in the finish queue; the ledger deletes pixels as soon as their job leaves `finishing`.
PIXELS_TTL_SECONDS = 3600
# Of the newest preview, a few kB; it is of no use once the drawing is done.
PREVIEW_TTL_SECONDS = 60


class ResultStore(Protocol):
    """Raises the store's own errors, which are `shared.connection.UNAVAILABLE`, where it is out of reach."""

    def put(self, place: Place, parts: Mapping[str, bytes | str], ttl_seconds: int) -> None:
        """Keeps `parts` by name for `ttl_seconds`, all or none of them, instead of what was there."""

    def get(self, place: Place) -> dict[str, bytes]:
        """The parts by name; empty once they have expired."""

    def exists(self, place: Place) -> bool: ...

    def drop(self, place: Place) -> None: ...


class ResultReader(Protocol):
    """The API's side: it reads, and hands out URLs."""

    async def get(self, place: Place) -> dict[str, bytes]: ...

    async def part(self, place: Place, name: str) -> bytes | None:
        """One part; None where there is none, or it has expired."""

    def url(self, path: str, expires_at: int) -> str:
        """What a client fetches a result at, until `expires_at` (seconds since the epoch). `path`: of the API."""

    def verify(self, path: str, expires_at: int, signature: str) -> None:
        """:raises shared.errors.UrlNotValid: `signature` is not that of a URL which this store handed out."""
