"""The protocols of a result store: `ResultStore` for the workers (blocking), `ResultReader` for the API (asyncio)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from shared.results.places import Place

# Longer than any time in the finish queue; the ledger deletes pixels as soon as their job leaves `finishing`.
PIXELS_TTL_SECONDS = 3600
# A preview has a few kB and is useless once the drawing is done.
PREVIEW_TTL_SECONDS = 60


# An image that came with a request, before and after its job was created. The second is the longest that a job may wait
# with a deadline; the ledger deletes it as soon as the job ends.
UNCREATED_TTL_SECONDS = 60
INPUT_TTL_SECONDS = 86_400


# Characters of base64 that are read at once, a multiple of 4: what is in memory for each image that is being sent.
CHUNK_LENGTH = 256 * 1024


@dataclass(frozen=True, slots=True)
class Image:
    """What is known of a stored image before any of it is read."""

    name: str
    length: int  # characters of its base64
    size_bytes: int
    etag: str
    path: str = ""  # of the object that has it; empty: it is in Redis


class PartGone(LookupError):
    """The part has expired since its place was looked at."""


class StoreAway(OSError):
    """The store of the images, which is not Redis, is out of reach, full, or refuses: what was to be stored may be
    stored later.
    """


class ResultStore(Protocol):
    """The workers' side. While the store is out of reach, every method raises `shared.connection.UNAVAILABLE`."""

    def put(self, place: Place, parts: Mapping[str, bytes | str], ttl_seconds: int) -> None:
        """Stores `parts` by name for `ttl_seconds`, all or none of them; they replace earlier ones, unless the place
        keeps what it got first.
        """

    def get(self, place: Place) -> dict[str, bytes]:
        """The parts by name; empty once they have expired."""

    def sizes(self, place: Place) -> dict[str, int]:
        """The bytes of each stored image and file by name, as a client gets it; empty once they have expired."""

    def exists(self, place: Place) -> bool: ...

    def keep(self, place: Place, ttl_seconds: int) -> None:
        """What is in Redis of this place stays for `ttl_seconds` from now on."""

    def drop(self, place: Place) -> None: ...

    def expire(self) -> int:
        """Deletes what has expired, where the store does not do so itself; returns how much. It may take long."""


class ResultReader(Protocol):
    """The API's side: reads results and makes their URLs. Raises `shared.connection.UNAVAILABLE` like `ResultStore`."""

    async def images(self, place: Place) -> dict[str, Image]:
        """The images by name, without reading any of them; empty once they have expired."""

    def chunks(self, place: Place, image: Image, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The image's base64 from character `start` to before `stop`, in pieces of at most CHUNK_LENGTH.

        :raises PartGone: it has expired meanwhile.
        """

    async def drop(self, place: Place) -> None: ...

    async def direct_url(self, image: Image, seconds: int) -> str | None:
        """A URL at which the store itself serves the image for so long; None where it serves nobody."""

    async def reachable(self) -> bool | None:
        """Whether the store of the images answers; None where that is Redis."""

    async def whole(self, place: Place) -> bytes | None:
        """The part of a place that has only one, such as a preview; None if there is none, or it has expired."""

    async def put_input(self, job_id: str, data: bytes) -> None:
        """Stores the image that a job starts from, for UNCREATED_TTL_SECONDS: its creation keeps it (create.lua)."""

    def url(self, path: str, expires_at: int) -> str:
        """The URL at which a client fetches a result until `expires_at` (seconds since the epoch). `path`: the API's
        path of the result.
        """

    def verify(self, path: str, expires_at: int, signature: str) -> None:
        """:raises shared.errors.UrlNotValid: `signature` is not valid for `path` and `expires_at`, or has expired."""
