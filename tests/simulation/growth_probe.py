"""What a Valkey, and processes beside it, have done between two looks."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

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
    """CPU time of a process's first thread, to the nanosecond."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def family_ms(pid: int) -> float:
    """CPU time of a process, all its threads and its children, to 10 ms."""
    found = psutil.Process(pid)
    spent = 0.0
    for process in [found, *found.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            spent += sum(process.cpu_times()[:2]) * 1000
    return spent


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
