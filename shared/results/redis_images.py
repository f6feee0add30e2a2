"""How Redis keeps the images of a job: each as a string of its own, which can be read in ranges, and an index of them.

The index is a JSON string under the place's key: what is known of each image, by name. It is written in one transaction
with the images, and an image that it does not name does not exist. Images of earlier versions are one hash under that
key; a reader of such a version that meets an index answers 503 (WRONGTYPE), and its client asks again.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from shared.results.store import Image

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from redis.exceptions import ResponseError

    from shared.results.places import Place

# A range of one field of a hash, for which Redis has no command. Positions count from 1, negative ones from the end.
HASH_RANGE = """
local key, field = KEYS[1], ARGV[1]
local first, last = tonumber(ARGV[2]), tonumber(ARGV[3])
local whole = redis.call('HGET', key, field) or ''
return string.sub(whole, first, last)
"""


class ImageInHash(Image):
    """An image that an earlier version stored."""

    __slots__ = ()


def image_key(place: Place, name: str) -> str:
    return f"{place.key}:{name}"


def describe(name: str, encoded: bytes, path: str = "") -> Image:
    """`encoded`: the image as base64. `path`: of the object that has it."""
    digest = hashlib.sha256(encoded).hexdigest()[:32]
    return Image(name, len(encoded), decoded_bytes(len(encoded), encoded[-2:]), f'"{digest}"', path)


def describe_unread(place: Place, name: str, length: int, tail: bytes) -> ImageInHash:
    """As `describe`, without reading the image: an attempt's image never changes, so that its place identifies it.

    :param length: characters of its base64, of which `tail` has the last two.
    """
    digest = hashlib.sha256(f"{place.key}:{name}:{length}".encode()).hexdigest()[:32]
    return ImageInHash(name, length, decoded_bytes(length, tail), f'"{digest}"')


def decoded_bytes(length: int, tail: bytes) -> int:
    return length * 3 // 4 - tail.count(b"=")


def encode_index(images: Iterable[Image]) -> str:
    return json.dumps({image.name: _about(image) for image in images})


def decode_index(index: bytes | None) -> dict[str, Image]:
    found: Mapping[str, list[Any]] = json.loads(index or b"{}")
    return {name: Image(name, *about) for name, about in found.items()}


def _about(image: Image) -> list[Any]:
    """In the order of the fields. Images in Redis have no path, so that earlier versions can read their index."""
    return [image.length, image.size_bytes, image.etag, *([image.path] if image.path else [])]


def is_hash(error: ResponseError) -> bool:
    """Whether the read of an index failed because the key has a hash, the layout of earlier versions."""
    return str(error).startswith("WRONGTYPE")
