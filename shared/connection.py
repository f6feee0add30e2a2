"""Redis clients. Time-outs and retries differ by who waits: a person at the API, or a worker with a finished image."""

from __future__ import annotations

# Python imports it at the first look-up of a name. Where one thread of a worker's parent does that as another forks a
# child, the child inherits the import's lock, held by nobody, and waits for it for ever at its own first connection.
import encodings.idna  # noqa: F401

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import BusyLoadingError, OutOfMemoryError, ReadOnlyError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

# Redis away, restarting, full (OutOfMemoryError) or read-only: all of these are RedisError.
UNAVAILABLE = (redis.RedisError, OSError)
# A full or read-only server too: a worker holds a drawing that took a minute, and its lease is renewed meanwhile.
_TRANSIENT = (RedisConnectionError, RedisTimeoutError, BusyLoadingError, OutOfMemoryError, ReadOnlyError)


def patient_client(url: str, outage_seconds: int, answer_seconds: float = 10) -> redis.Redis:
    """For workers: a command is tried for about `outage_seconds` before it fails, each time for `answer_seconds`."""
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=2,
        socket_timeout=answer_seconds,
        socket_keepalive=True,
        health_check_interval=15,
        retry=Retry(ExponentialBackoff(cap=1, base=0.05), retries=outage_seconds),
        retry_on_error=list(_TRANSIENT),
    )


def prompt_client(url: str) -> redis.asyncio.Redis:
    """For the API: a command has failed after 1.5 s at the most, so that a 503 leaves in under 2 s."""
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url,
        max_connections=256,
        timeout=1,
        socket_connect_timeout=0.5,
        socket_timeout=0.7,
        socket_keepalive=True,
        health_check_interval=15,
        retry=AsyncRetry(NoBackoff(), retries=1),
        retry_on_error=[RedisConnectionError],
    )
    return redis.asyncio.Redis.from_pool(pool)


def blocking_reader(url: str, block_seconds: float) -> redis.asyncio.Redis:
    """For the one reader of the events stream, whose reads block for `block_seconds`; it reconnects by itself."""
    return redis.asyncio.Redis.from_url(
        url,
        socket_connect_timeout=1,
        socket_timeout=block_seconds + 5,
        socket_keepalive=True,
        retry=AsyncRetry(NoBackoff(), retries=0),
    )
