"""Heartbeats of generate workers in Redis: which worker is alive, on which device, and whether its model is warm."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    import redis
    import redis.asyncio

WORKERS = "logo:workers"  # zset of names, score: last heartbeat (s)
HEARTBEAT_SECONDS = 2.0
ALIVE_SECONDS = 15.0
# What a worker was told is forgotten when it sends no heartbeat for this long.
HOLD_KEPT_SECONDS = 86400
Hold = Literal["", "paused", "draining"]
_PUBLISH = (Path(__file__).parent / "ledger" / "lua" / "heartbeat.lua").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    name: str
    ready: bool
    model: str
    device_type: str  # cuda | mps | cpu
    device_name: str
    device_uuid: str = ""
    memory_allocated_bytes: int = 0
    memory_reserved_bytes: int = 0
    memory_total_bytes: int = 0
    job_id: str = ""
    waits_for_room: bool = False  # Redis has too little memory left for the result of the job that is next
    gpu_memory_used_bytes: int = 0  # on the whole card, by all processes
    gpu_utilization: float = 0.0  # 0 to 1
    hold: Hold = ""  # what an operator told it (shared/ledger/holds.py)


def key(name: str) -> str:
    """The key of a worker's latest heartbeat (string: JSON)."""
    return f"logo:worker:{name}"


def hold_key(name: str) -> str:
    """The key of what an operator told the worker (string: a Hold)."""
    return f"logo:worker-hold:{name}"


def publish(client: redis.Redis, info: WorkerInfo) -> Hold:
    """Returns what an operator has told the worker."""
    keys = (key(info.name), WORKERS, hold_key(info.name))
    values = (info.name, json.dumps(asdict(info)), str(int(ALIVE_SECONDS)), str(HOLD_KEPT_SECONDS))
    return cast("Hold", cast("bytes", client.eval(_PUBLISH, len(keys), *keys, *values)).decode())


def unready(client: redis.Redis, name: str) -> None:
    """Says for a worker whose process is gone that it is not ready: its own entry would say so for ALIVE_SECONDS more.
    Does nothing where it says so already, as that of a process that loads in its place does.
    """
    if (info := find(client, name)) and info.ready:
        publish(client, replace(info, ready=False, job_id="", waits_for_room=False))


def retire(client: redis.Redis, name: str) -> None:
    """Removes the entry of a worker that ends. It has drained then, and begins anew if it is started again."""
    client.delete(key(name))
    client.zrem(WORKERS, name)
    if client.get(hold_key(name)) == b"draining":
        client.delete(hold_key(name))


async def live(client: redis.asyncio.Redis) -> list[WorkerInfo]:
    """The workers that sent a heartbeat within ALIVE_SECONDS, by name."""
    names = sorted(cast("list[bytes]", await client.zrange(WORKERS, 0, -1)))
    found = await client.mget([key(name.decode()) for name in names]) if names else []
    return [_parse(item) for item in found if item]


def find(client: redis.Redis, name: str) -> WorkerInfo | None:
    """The worker's latest heartbeat; None if it sent none within ALIVE_SECONDS."""
    found = cast("bytes | None", client.get(key(name)))
    return _parse(found) if found else None


def _parse(item: bytes | str) -> WorkerInfo:
    """The heartbeat without unknown fields, which a worker of a later version may send."""
    known = {field.name for field in fields(WorkerInfo)}
    return WorkerInfo(**{name: value for name, value in json.loads(item).items() if name in known})
