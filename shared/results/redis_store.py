"""The result stores in Redis: `RedisResults` for the workers, `AsyncRedisResults` for the API.

Results expire by TTL. They have keys of their own, so that reading a job's status never reads image data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import redis.asyncio

from shared.results.places import WHOLE, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.results.places import Place
    from shared.results.signing import UrlSigner


# Pixels are sent and read in pieces of this size, because the client's time-out bounds the sending of a whole command:
# over 32 Mbit/s a piece takes 0.3 s, and the 50 MB of the largest job 13 s.
PIECE_BYTES = 2**20


class RedisResults:
    """A `ResultStore`. Images are a hash, base64 PNGs by name; pixels and previews are plain strings."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def put(self, place: Place, parts: Mapping[str, bytes | str], ttl_seconds: int) -> None:
        if place.kind is Kind.PIXELS:
            self._put_pixels(place, cast("bytes", parts[WHOLE]), ttl_seconds)
            return
        if place.kind is not Kind.IMAGES:
            self._client.set(place.key, parts[WHOLE], ex=ttl_seconds)
            return
        pipeline = self._client.pipeline(transaction=True)
        pipeline.delete(place.key)
        pipeline.hset(place.key, mapping=cast("dict[Any, Any]", parts))
        pipeline.expire(place.key, ttl_seconds)
        pipeline.execute()

    def get(self, place: Place) -> dict[str, bytes]:
        if place.kind is Kind.IMAGES:
            return _named(cast("dict[bytes, bytes]", self._client.hgetall(place.key)))
        if place.kind is Kind.PIXELS:
            return self._get_pixels(place)
        return _whole(cast("bytes | None", self._client.get(place.key)))

    def exists(self, place: Place) -> bool:
        return bool(self._client.exists(place.key))

    def drop(self, place: Place) -> None:
        self._client.unlink(place.key)

    def _put_pixels(self, place: Place, data: bytes, ttl_seconds: int) -> None:
        if len(data) <= PIECE_BYTES:
            self._client.set(place.key, data, ex=ttl_seconds)
            return
        unfinished = f"{place.key}:unfinished"
        # The last piece first: it takes all of the memory at once, so that the string does not grow with each piece.
        # A piece that is sent again after a lost reply changes nothing.
        for start in reversed(range(0, len(data), PIECE_BYTES)):
            self._client.setrange(unfinished, start, data[start : start + PIECE_BYTES])
        self._client.expire(unfinished, ttl_seconds)
        try:
            self._client.rename(unfinished, place.key)
        except redis.ResponseError:
            # The reply to a first try was lost.
            if not self._client.exists(place.key):
                raise

    def _get_pixels(self, place: Place) -> dict[str, bytes]:
        pieces: list[bytes] = []
        while not pieces or len(pieces[-1]) == PIECE_BYTES:
            start = len(pieces) * PIECE_BYTES
            pieces.append(cast("bytes", self._client.getrange(place.key, start, start + PIECE_BYTES - 1)))
        data = b"".join(pieces)
        # Pixels may expire between two pieces.
        gone = not data or (len(pieces) > 1 and self._client.strlen(place.key) != len(data))
        return {} if gone else {WHOLE: data}


class AsyncRedisResults:
    """A `ResultReader` of what `RedisResults` stores. URLs are paths of the API, signed if there are signing keys."""

    def __init__(self, client: redis.asyncio.Redis, signer: UrlSigner) -> None:
        self._client = client
        self._signer = signer

    async def get(self, place: Place) -> dict[str, bytes]:
        if place.kind is Kind.IMAGES:
            return _named(cast("dict[bytes, bytes]", await self._client.hgetall(place.key)))
        return _whole(cast("bytes | None", await self._client.get(place.key)))

    async def part(self, place: Place, name: str) -> bytes | None:
        if place.kind is Kind.IMAGES:
            return cast("bytes | None", await self._client.hget(place.key, name))
        return cast("bytes | None", await self._client.get(place.key))

    def url(self, path: str, expires_at: int) -> str:
        return self._signer.sign(path, expires_at)

    def verify(self, path: str, expires_at: int, signature: str) -> None:
        self._signer.verify(path, expires_at, signature)


def _named(found: dict[bytes, bytes]) -> dict[str, bytes]:
    return {name.decode(): part for name, part in found.items()}


def _whole(found: bytes | None) -> dict[str, bytes]:
    return {} if found is None else {WHOLE: found}
