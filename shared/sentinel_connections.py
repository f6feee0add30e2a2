"""Connections to the primary that Sentinels name, asked for anew by each that opens. After a fail-over the Sentinels
close the connections to the old primary, so all clients come to the new one.

redis-py's own pool for this gives up at once where all its connections are in use; here its connections are in the
pools that shared/connection.py chooses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    from shared.sentinels import Sentinels


# redis-py has no types for these.
_Sentinel = cast("Any", redis.sentinel.Sentinel)
_AsyncSentinel = cast("Any", redis.asyncio.sentinel.Sentinel)


def blocking(sentinels: Sentinels) -> dict[str, Any]:
    """redis-py's arguments for a blocking connection to a Sentinel."""
    return sentinels.asking | {"retry": Retry(NoBackoff(), 0)}


class _Asked:
    """What redis-py's connections have of their pool: they ask it where the primary is, each time that they open."""

    is_master = True
    check_connection = False

    def __init__(self, sentinels: Sentinels) -> None:
        self._sentinels = sentinels
        self._hosts = list(sentinels.hosts)  # the one that answered last is first

    def _answered(self, host: tuple[str, int]) -> None:
        self._hosts.remove(host)
        self._hosts.insert(0, host)

    def _unknown(self) -> redis.ConnectionError:
        return redis.sentinel.MasterNotFoundError(f"no Sentinel names a primary for {self._sentinels.name!r}")


class Primary(_Asked):
    """For blocking connections."""

    def get_master_address(self) -> tuple[str, int]:
        kwargs = blocking(self._sentinels)
        for host in list(self._hosts):
            with _Sentinel([host], sentinel_kwargs=kwargs) as sentinel:
                try:
                    found: tuple[str, int] = sentinel.discover_master(self._sentinels.name)
                except redis.RedisError:
                    continue
            self._answered(host)
            return found
        raise self._unknown()


class AsyncPrimary(_Asked):
    """For asyncio's."""

    async def get_master_address(self) -> tuple[str, int]:
        kwargs = self._sentinels.asking | {"retry": AsyncRetry(NoBackoff(), 0)}
        for host in list(self._hosts):
            async with _AsyncSentinel([host], sentinel_kwargs=kwargs) as sentinel:
                try:
                    found: tuple[str, int] = await sentinel.discover_master(self._sentinels.name)
                except redis.RedisError:
                    continue
            self._answered(host)
            return found
        raise self._unknown()


def names(sentinels: Sentinels) -> set[str]:
    """The names of all primaries that the Sentinels know; empty where none of them answers."""
    found: set[str] = set()
    for host, port in sentinels.hosts:
        with redis.Redis(host, port, **blocking(sentinels)) as client:
            try:
                found |= set(client.sentinel_masters())
            except redis.RedisError:
                continue
    return found


def for_celery(sentinels: Sentinels) -> dict[str, Any]:
    """Options of kombu's transport."""
    return {"master_name": sentinels.name, "sentinel_kwargs": blocking(sentinels)}


def connections(sentinels: Sentinels) -> dict[str, Any]:
    """What a blocking pool needs to open connections to the primary."""
    kind = redis.sentinel.SentinelManagedConnection
    return {"connection_class": kind, "connection_pool": Primary(sentinels), **sentinels.login}


def async_connections(sentinels: Sentinels) -> dict[str, Any]:
    kind = redis.asyncio.sentinel.SentinelManagedConnection
    return {"connection_class": kind, "connection_pool": AsyncPrimary(sentinels), **sentinels.login}
