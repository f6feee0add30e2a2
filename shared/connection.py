"""The Redis clients of all processes. Time-outs and retries differ: the API must answer soon, a worker must not lose a
finished drawing.
"""

from __future__ import annotations

# Python imports this codec at the first host name lookup. If one thread of a worker's parent does so while another
# forks, the child inherits a locked import lock without its holder, and its own first connection waits for ever.
import encodings.idna  # noqa: F401 - imported for its effect
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import BusyLoadingError, OutOfMemoryError, ReadOnlyError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from shared import sentinel_connections, sentinels
from shared.quick_connections import quick

# Redis is out of reach, restarting, full (OutOfMemoryError) or read-only; all but OSError are RedisError.
UNAVAILABLE = (redis.RedisError, OSError)
# What is on its way in these connections is before a small command on a slow link: 8 chunks of 256 KiB take 0.2 s at
# 100 Mbit/s, where a small command has 0.7 s. For the chunks themselves 0.5 MB/s suffice.
BULK_CONNECTIONS = 8
SILENCE_SECONDS = 5.0
ANSWER_SECONDS = 0.7  # for a whole reply to the API
# Workers also retry on a full or read-only server: they hold a drawing that took a minute, and renew its lease.
_TRANSIENT = (RedisConnectionError, RedisTimeoutError, BusyLoadingError, OutOfMemoryError, ReadOnlyError)


def is_full(error: BaseException | None) -> bool:
    """Whether the error is Redis' refusal at maxmemory. Celery's own errors have it as their cause."""
    while error is not None:
        if isinstance(error, OutOfMemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False


def is_busy(error: BaseException) -> bool:
    """Whether all connections of this process were in use for as long as a command waits for one: it was not sent."""
    return isinstance(error, RedisConnectionError) and "No connection available" in str(error)


def patient_client(url: str, outage_seconds: int, answer_seconds: float = 10) -> redis.Redis:
    """For workers: a command is retried for about `outage_seconds`; each try waits `answer_seconds` for its reply."""
    options: dict[str, Any] = {
        "socket_connect_timeout": 2,
        "socket_timeout": answer_seconds,
        "health_check_interval": 15,
        **_keepalive(url),
        "retry": Retry(ExponentialBackoff(cap=1, base=0.05), retries=outage_seconds),
        "retry_on_error": list(_TRANSIENT),
    }
    if url.startswith(sentinels.SCHEME):
        return redis.Redis.from_pool(
            redis.ConnectionPool(**sentinel_connections.connections(sentinels.parse(url)), **options)
        )
    return redis.Redis.from_url(url, **options)


def prompt_client(url: str) -> redis.asyncio.Redis:
    """For the API: a command fails after at most 1.5 s, so that a 503 is sent in under 2 s."""
    pool = _waiting_pool(
        url,
        max_connections=256,
        timeout=1,
        socket_connect_timeout=0.5,
        socket_timeout=ANSWER_SECONDS,
        health_check_interval=15,
        **_keepalive(url),
        retry=AsyncRetry(NoBackoff(), retries=1),
        retry_on_error=[RedisConnectionError],
    )
    return redis.asyncio.Redis.from_pool(pool)


def bulk_client(url: str) -> redis.asyncio.Redis:
    """For the API's reads of images, in a pool of their own, so that no small command stands behind a large reply. Each
    chunk of an image must arrive within SILENCE_SECONDS. A read waits for its connection as long as others progress.
    """
    pool = _waiting_pool(
        url,
        max_connections=BULK_CONNECTIONS,
        timeout=60,
        socket_connect_timeout=1,
        socket_timeout=SILENCE_SECONDS,
        socket_keepalive=True,
        retry=AsyncRetry(NoBackoff(), retries=1),
        retry_on_error=[RedisConnectionError],
    )
    return redis.asyncio.Redis.from_pool(pool)


def blocking_reader(url: str, block_seconds: float) -> redis.asyncio.Redis:
    """For the reader of the events stream (api/waiting.py): reads block for `block_seconds`, the reader reconnects."""
    pool = _waiting_pool(
        url,
        max_connections=1,
        socket_connect_timeout=1,
        socket_timeout=block_seconds + 5,
        **_keepalive(url),
        retry=AsyncRetry(NoBackoff(), retries=0),
    )
    return redis.asyncio.Redis.from_pool(pool)


def _waiting_pool(url: str, **options: Any) -> redis.asyncio.BlockingConnectionPool:
    if url.startswith(sentinels.SCHEME):
        pool = redis.asyncio.BlockingConnectionPool(
            **sentinel_connections.async_connections(sentinels.parse(url)), **options
        )
    else:
        pool = redis.asyncio.BlockingConnectionPool.from_url(url, **options)
    pool.connection_class = quick(pool.connection_class)
    return pool


def _keepalive(url: str) -> dict[str, Any]:
    """redis-py refuses the argument for a Unix socket."""
    return {} if url.startswith("unix:") else {"socket_keepalive": True}
