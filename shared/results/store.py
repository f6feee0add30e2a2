"""The protocols of a result store: `ResultStore` for the workers (blocking), `ResultReader` for the API (asyncio)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.results.places import Place

# Longer than any time in the finish queue; the ledger deletes pixels as soon as their job leaves `finishing`.
PIXELS_TTL_SECONDS = 3600
# A preview has a few kB and is useless once the drawing is done.
PREVIEW_TTL_SECONDS = 60


class ResultStore(Protocol):
    """The workers' side. While the store is out of reach, every method raises `shared.connection.UNAVAILABLE`."""

    def put(self, place: Place, parts: Mapping[str, bytes | str], ttl_seconds: int) -> None:
        """Stores `parts` by name for `ttl_seconds`, all or none of them; they replace earlier ones."""

    def get(self, place: Place) -> dict[str, bytes]:
        """The parts by name; empty once they have expired."""

    def exists(self, place: Place) -> bool: ...

    def drop(self, place: Place) -> None: ...


class ResultReader(Protocol):
    """The API's side: reads results and makes their URLs. Raises `shared.connection.UNAVAILABLE` like `ResultStore`."""

    async def get(self, place: Place) -> dict[str, bytes]: ...

    async def part(self, place: Place, name: str) -> bytes | None:
        """One part; None if there is none, or it has expired."""

    def url(self, path: str, expires_at: int) -> str:
        """The URL at which a client fetches a result until `expires_at` (seconds since the epoch). `path`: the API's
        path of the result.
        """

    def verify(self, path: str, expires_at: int, signature: str) -> None:
        """:raises shared.errors.UrlNotValid: `signature` is not valid for `path` and `expires_at`, or has expired."""
