"""Raw pixels and finished images in Redis, under TTLs. Status reads never touch these keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from shared.ledger import pixels_key

if TYPE_CHECKING:
    import redis
    import redis.asyncio

# Longer than any stay in the finish queue; the ledger deletes them as soon as the job leaves `finishing`.
PIXELS_TTL_SECONDS = 3600


# Of the newest picture of a drawing, a few kB; each replaces the one before.
PREVIEW_TTL_SECONDS = 60


def images_key(job_id: str, attempt: int) -> str:
    return f"logo:images:{job_id}:{attempt}"


def image_name(size: int | str, index: int) -> str:
    """Of image `index`, from 0, of a job: the first is named by its size alone, the others `512-2` and so on."""
    return f"{size}-{index + 1}" if index else str(size)


def store_pixels(client: redis.Redis, job_id: str, attempt: int, pixels: bytes) -> None:
    """RGB, 8 bits, row by row, image after image; the ledger's record has their number and dimensions."""
    client.set(pixels_key(job_id, attempt), pixels, ex=PIXELS_TTL_SECONDS)


def load_pixels(client: redis.Redis, job_id: str, attempt: int) -> bytes | None:
    return cast("bytes | None", client.get(pixels_key(job_id, attempt)))


def store_images(client: redis.Redis, job_id: str, attempt: int, images: dict[str, str], ttl_seconds: int) -> None:
    """Base64 PNGs by `image_name`."""
    key = images_key(job_id, attempt)
    pipeline = client.pipeline(transaction=True)
    pipeline.delete(key)
    pipeline.hset(key, mapping=cast("dict[Any, Any]", images))
    pipeline.expire(key, ttl_seconds)
    pipeline.execute()


def drop_images(client: redis.Redis, job_id: str, attempt: int) -> None:
    client.unlink(images_key(job_id, attempt))


def preview_key(job_id: str, attempt: int) -> str:
    return f"logo:preview:{job_id}:{attempt}"


def store_preview(client: redis.Redis, job_id: str, attempt: int, jpeg: bytes) -> None:
    client.set(preview_key(job_id, attempt), jpeg, ex=PREVIEW_TTL_SECONDS)


async def load_preview(client: redis.asyncio.Redis, job_id: str, attempt: int) -> bytes | None:
    """The JPEG of a job that is drawn just now, where previews are made."""
    return cast("bytes | None", await client.get(preview_key(job_id, attempt)))


async def load_images(client: redis.asyncio.Redis, job_id: str, attempt: int) -> dict[str, str]:
    """Base64 PNGs by `image_name`; empty once they have expired."""
    images = cast("dict[bytes, bytes]", await client.hgetall(images_key(job_id, attempt)))
    return {name.decode(): image.decode() for name, image in images.items()}


async def load_image(client: redis.asyncio.Redis, job_id: str, attempt: int, name: str) -> bytes | None:
    """One base64 PNG, by its `image_name`."""
    return cast("bytes | None", await client.hget(images_key(job_id, attempt), name))
