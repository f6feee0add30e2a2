"""Which store keeps the results: the one place where a process chooses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.results.redis_store import AsyncRedisResults, RedisResults
from shared.results.signing import UrlSigner

if TYPE_CHECKING:
    import redis
    import redis.asyncio

    from shared.results.store import ResultReader, ResultStore
    from shared.settings import Settings


def open_results(client: redis.Redis) -> ResultStore:
    """For a worker. Its time-outs are the client's: patient or fail-fast (shared/connection.py)."""
    return RedisResults(client)


def open_reader(client: redis.asyncio.Redis, bulk: redis.asyncio.Redis, settings: Settings) -> ResultReader:
    """For the API. `client` reads what is small, `bulk` the images (shared/connection.py)."""
    return AsyncRedisResults(client, bulk, UrlSigner(settings.url_signing_keys))
