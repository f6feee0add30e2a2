"""What /watch shows: read every FRESH_SECONDS at most by each process, however many look.

Everybody may see figures, as in /metrics and /health; ids of jobs, prompts, keys and previews are for operators.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from statistics import fmean
from typing import TYPE_CHECKING, Any

from api.auth import DIGEST_SHOWN
from api.conditions import Seen, holding
from api.snapshot import lag_seconds, snapshot
from shared import workers
from shared.ledger import audit
from shared.ledger.watching import End, Held, Sight, sight

if TYPE_CHECKING:
    import redis.asyncio

    from api.loop_lag import LoopLag
    from api.waiting import Waiting
    from shared.ledger.audit import Note
    from shared.ledger.run import AsyncLedger
    from shared.workers import WorkerInfo

FRESH_SECONDS = 0.4


class Watching:
    def __init__(self, ledger: AsyncLedger, client: redis.asyncio.Redis, waiting: Waiting, lag: LoopLag) -> None:
        self._ledger = ledger
        self._client = client
        self._waiting = waiting
        self._lag = lag
        self._seen: tuple[Seen, list[Note]] | None = None
        self._began_at = self._looked_at = float("-inf")  # the last reading, its begin and its end
        self._reading = asyncio.Lock()

    async def figures(self, *, whole: bool) -> dict[str, Any]:
        """:param whole: with ids, prompts, keys and the audit log, for an operator."""
        asked_at = time.monotonic()
        seen, notes = await self._look()
        found = seen.sight
        return {
            "time": found.time,
            "age_seconds": max(0.0, asked_at - self._began_at),  # when they were asked for
            "whole": whole,
            "workers": [_worker(w, found, whole=whole) for w in seen.workers],
            "finishing": sum(job.status == "finishing" for job in found.held),
            "queued": found.queued,
            "queue": [
                {
                    "key": _key(group.owner) if whole else None,
                    "priority": group.priority,
                    "jobs": group.jobs,
                    "oldest_seconds": (found.time - group.oldest_at) / 1000,
                }
                for group in (found.queue if whole else _without_keys(found))
            ],
            "ends": [_end(end, whole=whole) for end in found.ends],
            "alerts": [condition._asdict() for condition in holding(seen)],
            "redis": {"used_bytes": seen.state.redis_used_bytes, "max_bytes": seen.state.redis_max_bytes},
            "audit": [_note(note) for note in notes] if whole else [],
        }

    async def _look(self) -> tuple[Seen, list[Note]]:
        async with self._reading:
            if self._seen is None or time.monotonic() - self._looked_at >= FRESH_SECONDS:
                began_at = time.monotonic()
                found = await self._ledger.run(sight())
                state = await snapshot(self._client)
                live = await workers.live(self._client)
                lag = lag_seconds(state.newest_event, self._waiting.last_event)
                seen = Seen(found, state, live, lag, self._lag.recent_seconds)
                self._seen = seen, await self._ledger.run(audit.recent())
                self._began_at, self._looked_at = began_at, time.monotonic()
            return self._seen

    def forget(self) -> None:
        """Lets the next look read anew: an action has changed what is shown."""
        self._looked_at = float("-inf")


def _worker(worker: WorkerInfo, found: Sight, *, whole: bool) -> dict[str, Any]:
    job = next((job for job in found.held if job.id == worker.job_id), None) if worker.job_id else None
    times = [end.image_seconds for end in found.ends if end.worker == worker.name and end.image_seconds]
    return {
        "name": worker.name,
        "ready": worker.ready,
        "hold": worker.hold,
        "model": worker.model,
        "device": worker.device_name or worker.device_type,
        "memory_used_bytes": worker.gpu_memory_used_bytes or worker.memory_reserved_bytes,
        "memory_total_bytes": worker.memory_total_bytes,
        "utilization": worker.gpu_utilization,
        "waits_for_room": worker.waits_for_room,
        "image_seconds": round(fmean(times), 2) if times else None,
        "busy": bool(worker.job_id),
        "job": _held(job, found.time, whole=whole) if job else None,
    }


def _held(job: Held, now: int, *, whole: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "step": job.step,
        "steps": job.steps,
        "images": job.num_images,
        "seconds": (now - job.started_at) / 1000,
        "canceling": job.cancel_requested,
    }
    if whole:
        shown |= {"id": job.id, "attempt": job.attempt, "prompt": job.prompt, "key": _key(job.owner)}
    return shown


def _end(end: End, *, whole: bool) -> dict[str, Any]:
    shown = {
        "status": end.status,
        "at": end.at,
        "code": end.code or None,
        "worker": end.worker or None,
        "seconds": (end.at - end.created_at) / 1000 if end.created_at else None,
    }
    return shown | ({"id": end.id, "message": end.message or None, "key": _key(end.owner)} if whole else {})


def _without_keys(found: Sight) -> list[Any]:
    by_priority: dict[str, list[Any]] = defaultdict(list)
    for group in found.queue:
        by_priority[group.priority].append(group)
    return [
        type(groups[0])("", priority, sum(g.jobs for g in groups), min(g.oldest_at for g in groups))
        for priority, groups in by_priority.items()
    ]


def _key(owner: str) -> str:
    return owner[:DIGEST_SHOWN]


def _note(note: Note) -> dict[str, Any]:
    return {name: getattr(note, name) for name in ("at", "operator", "action", "target", "outcome")}
