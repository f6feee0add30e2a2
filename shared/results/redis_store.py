"""The result stores in Redis: `RedisResults` for the workers, `AsyncRedisResults` for the API.

Results expire by TTL. They have keys of their own, so that reading a job's status never reads image data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from redis.exceptions import ResponseError

from shared.results import places, redis_images
from shared.results.places import WHOLE, Kind
from shared.results.redis_images import image_key
from shared.results.redis_uploads import PIECE_BYTES, pieces, put_images, send_pieces
from shared.results.store import CHUNK_LENGTH, UNCREATED_TTL_SECONDS, PartGone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Mapping

    import redis.asyncio

    from shared.results.places import Place
    from shared.results.signing import UrlSigner
    from shared.results.store import Image


class RedisResults:
    """A `ResultStore`. Images are base64 (shared/results/redis_images.py); pixels and previews are plain strings. What
    is large is sent in pieces (shared/results/redis_uploads.py), and pixels are read in pieces too.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def put(self, place: Place, parts: Mapping[str, bytes | str], ttl_seconds: int) -> None:
        if place.kind is Kind.PIXELS:
            self._put_pixels(place, cast("bytes", parts[WHOLE]), ttl_seconds)
            return
        if place.kind is not Kind.IMAGES:
            self._client.set(place.key, parts[WHOLE], ex=ttl_seconds)
            return
        encoded = {name: part.encode() if isinstance(part, str) else part for name, part in parts.items()}
        put_images(self._client, place, encoded, ttl_seconds)

    def get(self, place: Place) -> dict[str, bytes]:
        if place.kind in (Kind.PIXELS, Kind.INPUT):
            return self._get_pixels(place)
        if place.kind is not Kind.IMAGES:
            return _whole(cast("bytes | None", self._client.get(place.key)))
        try:
            names = list(self.index(place))
        except ResponseError as error:
            if not redis_images.is_hash(error):
                raise
            return _named(cast("dict[bytes, bytes]", self._client.hgetall(place.key)))
        parts = {name: cast("bytes | None", self._client.get(image_key(place, name))) for name in names}
        return {name: part for name, part in parts.items() if part is not None}

    def sizes(self, place: Place) -> dict[str, int]:
        return {name: image.size_bytes for name, image in self.index(place).items()}

    def exists(self, place: Place) -> bool:
        return bool(self._client.exists(place.key))

    def keep(self, place: Place, ttl_seconds: int) -> None:
        self._client.expire(place.key, ttl_seconds)

    def expire(self) -> int:
        return 0

    def drop(self, place: Place) -> None:
        names: list[str] = []
        if place.kind is Kind.IMAGES:
            try:
                names = list(self.index(place))
            except ResponseError as error:
                if not redis_images.is_hash(error):
                    raise
        self._client.unlink(place.key, *(image_key(place, name) for name in names))

    def index(self, place: Place) -> dict[str, Image]:
        return redis_images.decode_index(cast("bytes | None", self._client.get(place.key)))

    def _put_pixels(self, place: Place, data: bytes, ttl_seconds: int) -> None:
        if len(data) <= PIECE_BYTES:
            self._client.set(place.key, data, ex=ttl_seconds)
            return
        unfinished = f"{place.key}:unfinished"
        send_pieces(self._client, unfinished, data)
        self._client.expire(unfinished, ttl_seconds)
        try:
            self._client.rename(unfinished, place.key)
        except ResponseError:
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

    def __init__(self, client: redis.asyncio.Redis, bulk: redis.asyncio.Redis, signer: UrlSigner) -> None:
        self._client = client
        self._bulk = bulk
        self._signer = signer

    async def images(self, place: Place) -> dict[str, Image]:
        try:
            return redis_images.decode_index(cast("bytes | None", await self._client.get(place.key)))
        except ResponseError as error:
            if not redis_images.is_hash(error):
                raise
            return await self._images_in_hash(place)

    async def chunks(self, place: Place, image: Image, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        end = image.length if stop is None else stop
        in_hash = isinstance(image, redis_images.ImageInHash)
        while start < end:
            last = min(start + CHUNK_LENGTH, end) - 1
            if in_hash:
                read = self._bulk.eval(redis_images.HASH_RANGE, 1, place.key, image.name, str(start + 1), str(last + 1))
                chunk = await cast("Awaitable[bytes]", read)
            else:
                chunk = cast("bytes", await self._bulk.getrange(image_key(place, image.name), start, last))
            if len(chunk) != last + 1 - start:
                raise PartGone(f"{image_key(place, image.name)} has expired")
            yield chunk
            start = last + 1

    async def _images_in_hash(self, place: Place) -> dict[str, Image]:
        names = cast("list[bytes]", await cast("Awaitable[object]", self._client.hkeys(place.key)))
        pipeline = self._client.pipeline(transaction=False)
        for name in names:
            pipeline.hstrlen(place.key, cast("str", name))
            pipeline.eval(redis_images.HASH_RANGE, 1, place.key, cast("str", name), "-2", "-1")
        found = await pipeline.execute()
        described = [
            redis_images.describe_unread(place, name.decode(), length, tail)
            for name, length, tail in zip(names, found[::2], found[1::2], strict=True)
        ]
        return {image.name: image for image in described}

    async def drop(self, place: Place) -> None:
        names = await self.images(place) if place.kind is Kind.IMAGES else {}
        await self._client.unlink(place.key, *(image_key(place, name) for name in names))

    async def direct_url(self, image: Image, seconds: int) -> str | None:  # noqa: ARG002 - Redis serves no HTTP
        return None

    async def reachable(self) -> bool | None:
        return None

    async def whole(self, place: Place) -> bytes | None:
        return cast("bytes | None", await self._client.get(place.key))

    async def put_input(self, job_id: str, data: bytes) -> None:
        key = places.input_image(job_id).key
        for start, piece in pieces(data):
            pipeline = self._bulk.pipeline(transaction=False)
            pipeline.setrange(key, start, piece)
            pipeline.expire(key, UNCREATED_TTL_SECONDS)
            await pipeline.execute()

    def url(self, path: str, expires_at: int) -> str:
        return self._signer.sign(path, expires_at)

    def verify(self, path: str, expires_at: int, signature: str) -> None:
        self._signer.verify(path, expires_at, signature)


def _named(found: dict[bytes, bytes]) -> dict[str, bytes]:
    return {name.decode(): part for name, part in found.items()}


def _whole(found: bytes | None) -> dict[str, bytes]:
    return {} if found is None else {WHOLE: found}
