"""What a Valkey, and processes beside it, have done between two looks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from tests.cpu_time import family_seconds, thread_seconds

if TYPE_CHECKING:
    import redis


@dataclass(frozen=True)
class Spent:
    """`trips`: times that the server read from a connection; `commands`: those inside scripts too; CPU time in ms."""

    trips: float = 0
    commands: float = 0
    bytes_in: float = 0
    bytes_out: float = 0
    redis_ms: float = 0
    process_ms: float = 0
    seconds: float = 0

    def per(self, count: float) -> Spent:
        return Spent(**{field.name: getattr(self, field.name) / count for field in fields(self)})

    def less(self, other: Spent) -> Spent:
        return Spent(**{field.name: getattr(self, field.name) - getattr(other, field.name) for field in fields(self)})


def thread_ms(pid: int) -> float:
    return thread_seconds(pid) * 1000


def family_ms(pid: int) -> float:
    return family_seconds(pid) * 1000


class Probe:
    """Each `look` is what was done since the last one. `pids`: the processes whose CPU time counts."""

    def __init__(self, client: redis.Redis, redis_pid: int, *pids: int) -> None:
        self._client, self._redis_pid, self._pids = client, redis_pid, pids
        self._last = self._now()

    def look(self) -> Spent:
        now = self._now()
        spent, self._last = now.less(self._last), self._now()
        return spent

    def _now(self) -> Spent:
        info, clock = self._client.info("stats"), self._client.time()
        return Spent(
            info["total_reads_processed"],
            info["total_commands_processed"],
            info["total_net_input_bytes"],
            info["total_net_output_bytes"],
            thread_ms(self._redis_pid),
            sum(map(family_ms, self._pids)),
            clock[0] + clock[1] / 1e6,
        )
