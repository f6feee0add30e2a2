"""What is wrong with how the Redis server is set up: a cluster or a Sentinel ends the start, what endangers jobs is
logged with the command that mends it.

All of it is read by INFO, because hosted servers refuse CONFIG.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import redis

from shared import sentinel_connections, sentinels
from shared.connection import UNAVAILABLE, patient_client
from shared.observability.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

log = get_logger(__name__)
# A setting by which jobs are lost or refused -> the command that mends it.
MENDED_BY = {
    "maxmemory-policy": "CONFIG SET maxmemory-policy noeviction (jobs vanish when the memory is full)",
    "appendonly": "CONFIG SET appendonly yes (a restart of Redis loses all jobs)",
    "maxmemory": "CONFIG SET maxmemory 2gb (Redis may fill the machine's memory)",
    "info": "ACL SETUSER NAME +info (the user of REDIS_URL may not call INFO, so nothing is known of the others)",
    "replicaof": "REPLICAOF NO ONE, or name the primary in REDIS_URL (a replica takes no jobs)",
}
SETTINGS = ("maxmemory-policy", "appendonly", "maxmemory", "replicaof")
# Those that lose or refuse jobs that should be kept, said at every LOG_LEVEL.
_GRAVE = ("maxmemory-policy", "replicaof")


def refuse_cluster(url: str) -> None:
    """Does nothing while the server is out of reach: a start must not need it.

    :raises SystemExit: the server is a Redis Cluster, or a Sentinel and no server of data, or the Sentinels do not
    know its name.
    """
    if url.startswith(sentinels.SCHEME):
        known = sentinel_connections.names(asked := sentinels.parse(url))
        if known and asked.name not in known:
            _refuse(f"not known to the Sentinels as {asked.name!r}; they know {', '.join(map(repr, sorted(known)))}")
    client = patient_client(url, outage_seconds=0, answer_seconds=2)
    with contextlib.closing(client), contextlib.suppress(*UNAVAILABLE):
        if client.info("cluster").get("cluster_enabled"):
            _refuse("a Redis Cluster, which is not supported; name a single server")
        server = client.info("server")  # Valkey's name of it, and Redis'
        if "sentinel" in (server.get("server_mode"), server.get("redis_mode")):
            _refuse("a Sentinel; name the Sentinels as sentinel://host:port/NAME, or the primary")


def _refuse(what: str) -> NoReturn:
    print(f"setting REDIS_URL: the server is {what}", file=sys.stderr)  # noqa: T201 - one line, as for any wrong setting
    raise SystemExit(2)


def dangers(info: Mapping[str, Any]) -> dict[str, str]:
    """The dangerous settings by what `INFO` reports, each with its value; what it leaves out counts as well set."""
    found = {
        "maxmemory-policy": info.get("maxmemory_policy", "noeviction"),
        "appendonly": "yes" if info.get("aof_enabled", 1) else "no",
        "maxmemory": str(info.get("maxmemory", 1)),
        "replicaof": info.get("role", "master"),
    }
    safe = {"maxmemory-policy": "noeviction", "appendonly": "yes", "replicaof": "master"}
    return {
        name: value for name, value in found.items() if (value == "0" if name == "maxmemory" else value != safe[name])
    }


def warn(found: Mapping[str, str], *, known: Iterable[str] = ()) -> None:
    """Logs each danger that is not among `known`."""
    for name in found.keys() - set(known):
        say = log.critical if name in _GRAVE else log.warning
        say("redis.dangerous", setting=name, value=found[name], hint=MENDED_BY[name])


class Watch:
    """Looks at the server now and then, and warns of each danger once, until it is mended."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._known: dict[str, str] = {}

    def look(self) -> None:
        """:raises redis.RedisError: the server is out of reach."""
        try:
            found = dangers(self._client.info())
        except redis.exceptions.NoPermissionError:
            found = {"info": "forbidden"}
        warn(found, known=self._known)
        for name in self._known.keys() - found.keys():
            log.info("redis.mended", setting=name)
        self._known = found
