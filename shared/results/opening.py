"""Which store keeps the results: the one place where a process chooses it.

obstore is imported where it is chosen only: whoever stays with Redis does not load it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.results.redis_store import AsyncRedisResults, RedisResults
from shared.results.signing import UrlSigner
from shared.settings import refuse

if TYPE_CHECKING:
    import redis
    import redis.asyncio

    from shared.results.store import ResultReader, ResultStore
    from shared.settings import Settings


def open_pixels(client: redis.Redis) -> ResultStore:
    """For what is in Redis with any store: pixels and previews. The time-outs are the client's."""
    return RedisResults(client)


def open_results(client: redis.Redis, settings: Settings) -> ResultStore:
    """For a worker. Its time-outs are the client's: patient or fail-fast (shared/connection.py)."""
    if settings.images_in_redis:
        return RedisResults(client)
    from shared.results.object_store import ObjectResults  # noqa: PLC0415 - see above
    from shared.results.objects import open_objects  # noqa: PLC0415

    return ObjectResults(client, open_objects(settings))


def open_reader(client: redis.asyncio.Redis, bulk: redis.asyncio.Redis, settings: Settings) -> ResultReader:
    """For the API. `client` reads what is small, `bulk` the images (shared/connection.py)."""
    in_redis = AsyncRedisResults(client, bulk, UrlSigner(settings.url_signing_keys))
    if settings.images_in_redis:
        return in_redis
    from shared.results.object_store import AsyncObjectResults  # noqa: PLC0415 - see above
    from shared.results.objects import API_SECONDS, open_objects  # noqa: PLC0415

    return AsyncObjectResults(in_redis, open_objects(settings, API_SECONDS))


def check(settings: Settings) -> None:
    """Looks whether images can be written, listed and deleted. Not in a process that forks afterwards: the library's
    threads outlive no fork.

    :raises SystemExit: they cannot, and no restart would help.
    """
    if settings.images_in_redis:
        return
    from shared.results.objects import check as problem_of  # noqa: PLC0415 - see above

    if problem := problem_of(settings):
        refuse(f"setting RESULT_STORE={settings.result_store!r}: {problem}")
