"""The result stores with images in a bucket or a folder: `ObjectResults` for the workers, `AsyncObjectResults` for the
API.

Pixels and previews stay in Redis, because they live for seconds. So does the index of a job's images, some hundred
bytes with their expiry: it is written after all of them, so that all are there or none is, and a reader finds images
that were stored in Redis before the store was chosen.
"""

from __future__ import annotations

import base64
import contextlib
from typing import TYPE_CHECKING, cast

from shared.results import redis_images
from shared.results.formats import PNG
from shared.results.objects import new_folder
from shared.results.places import Kind, folder
from shared.results.redis_store import RedisResults
from shared.results.store import CHUNK_LENGTH, PartGone, StoreAway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import redis

    from shared.results.objects import Objects
    from shared.results.places import Place
    from shared.results.redis_store import AsyncRedisResults
    from shared.results.store import Image

# Characters of base64 that are read with one request: 384 KiB of an image, 0.6 s of requests for one of 12 MB.
BLOCK_LENGTH = 2 * CHUNK_LENGTH


class ObjectResults:
    """A `ResultStore`."""

    def __init__(self, client: redis.Redis, objects: Objects) -> None:
        self._client = client
        self._redis = RedisResults(client)
        self._objects = objects
        self._cut_off = ("", "")  # the place whose images could not all be written last, and their folder

    def put(self, place: Place, parts: Mapping[str, bytes | str], ttl_seconds: int) -> None:
        if place.kind is not Kind.IMAGES:
            self._redis.put(place, parts, ttl_seconds)
            return
        # What is tried again is written over what is there, so that a store that comes and goes is not filled.
        within = self._cut_off[1] if self._cut_off[0] == place.key else new_folder(folder(place), ttl_seconds)
        encoded = {name: part.encode() if isinstance(part, str) else part for name, part in parts.items()}
        images = [redis_images.describe(name, part, f"{within}/{_file(name)}") for name, part in encoded.items()]
        self._cut_off = (place.key, within)
        self._objects.write({image.path: base64.b64decode(encoded[image.name]) for image in images})
        self._cut_off = ("", "")
        before = set() if place.keeps_first else self._folders(place)
        kept = self._write_index(place, redis_images.encode_index(images), ttl_seconds)
        # What is left here expires.
        with contextlib.suppress(StoreAway):
            for unused in before if kept else {within}:
                self._objects.delete_within(unused)

    def _write_index(self, place: Place, index: str, ttl_seconds: int) -> bool:
        """Whether these images are the place's now."""
        if self._client.set(place.key, index, ex=ttl_seconds, nx=place.keeps_first):
            return True
        # Repeated after a lost reply, it finds its own work done.
        return cast("bytes | None", self._client.get(place.key)) == index.encode()

    def get(self, place: Place) -> dict[str, bytes]:
        if place.kind is not Kind.IMAGES:
            return self._redis.get(place)
        index = self._redis.index(place)
        if not any(image.path for image in index.values()):
            return self._redis.get(place)
        found = {name: self._objects.read(image.path) for name, image in index.items()}
        return {name: base64.b64encode(data) for name, data in found.items() if data is not None}

    def sizes(self, place: Place) -> dict[str, int]:
        return self._redis.sizes(place)

    def exists(self, place: Place) -> bool:
        return self._redis.exists(place)

    def keep(self, place: Place, ttl_seconds: int) -> None:
        self._redis.keep(place, ttl_seconds)

    def drop(self, place: Place) -> None:
        """The index first: nobody finds half of the images. Those of uploads that were cut off go too."""
        self._redis.drop(place)
        if place.kind is Kind.IMAGES:
            self._objects.delete_within(folder(place))

    def expire(self) -> int:
        return self._objects.expire()

    def _folders(self, place: Place) -> set[str]:
        return {image.path.rpartition("/")[0] for image in self._redis.index(place).values() if image.path}


class AsyncObjectResults:
    """A `ResultReader` of what `ObjectResults` stores."""

    def __init__(self, redis_results: AsyncRedisResults, objects: Objects) -> None:
        self._redis = redis_results
        self._objects = objects

    async def images(self, place: Place) -> dict[str, Image]:
        return await self._redis.images(place)

    async def chunks(self, place: Place, image: Image, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        if not image.path:
            async for chunk in self._redis.chunks(place, image, start, stop):
                yield chunk
            return
        end = image.length if stop is None else stop
        for first in range(start, end, BLOCK_LENGTH):
            last = min(first + BLOCK_LENGTH, end)
            # Four characters of base64 are three bytes; both ends are whole fours, or the image's.
            from_, to = first // 4 * 3, min(last // 4 * 3, image.size_bytes)
            block = await self._objects.read_range(image.path, from_, to)
            if len(block) != to - from_:
                raise PartGone(f"{image.path} was replaced")
            for at in range(0, len(block), CHUNK_LENGTH // 4 * 3):
                yield base64.b64encode(block[at : at + CHUNK_LENGTH // 4 * 3])

    async def drop(self, place: Place) -> None:
        await self._redis.drop(place)
        if place.kind is Kind.IMAGES:
            await self._objects.delete_within_async(folder(place))

    async def direct_url(self, image: Image, seconds: int) -> str | None:
        return await self._objects.url(image.path, seconds) if image.path else None

    async def reachable(self) -> bool | None:
        return await self._objects.reachable()

    async def whole(self, place: Place) -> bytes | None:
        return await self._redis.whole(place)

    async def put_input(self, job_id: str, data: bytes) -> None:
        await self._redis.put_input(job_id, data)

    def url(self, path: str, expires_at: int) -> str:
        return self._redis.url(path, expires_at)

    def verify(self, path: str, expires_at: int, signature: str) -> None:
        self._redis.verify(path, expires_at, signature)


def _file(name: str) -> str:
    """The file name of a part: plain PNGs are kept under their bare names."""
    return name if "." in name else PNG.file_name(name)
