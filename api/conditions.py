"""Alerts that hold now, as far as one API process sees them: names and thresholds of deploy/prometheus/rules.yml.

Prometheus knows more: how long a condition has held, rates over time, and whether each process answers. This is for who
looks at /watch without it; a test holds the numbers to those of the rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shared.jobs import Failure, JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from api.snapshot import Snapshot
    from shared.ledger.watching import Sight
    from shared.workers import WorkerInfo

QUEUE_OLD_SECONDS = 300
FAILING_SHARE = 0.05
EVENTS_LAG_SECONDS = 5
LOOP_LAG_SECONDS = 1
REDIS_MEMORY_SHARE = 0.8
# Over which time ends count, as in the rules.
RECENT_MS = 600_000


class Condition(NamedTuple):
    alert: str
    summary: str


class Seen(NamedTuple):
    sight: Sight
    state: Snapshot
    workers: list[WorkerInfo]
    events_lag_seconds: float
    loop_lag_seconds: float


def holding(seen: Seen) -> list[Condition]:
    return [Condition(alert, summary) for alert, holds, summary in _all(seen) if holds]


def _all(seen: Seen) -> Iterable[tuple[str, bool, str]]:
    sight, state, workers, events_lag, loop_lag = seen
    recent = [end for end in sight.ends if sight.time - end.at <= RECENT_MS]
    failed = [end for end in recent if end.status == JobStatus.FAILED]
    share = len(failed) / len(recent) if recent else 0.0
    oldest = max(state.oldest_age_seconds.values(), default=0.0)
    used = state.redis_used_bytes / state.redis_max_bytes if state.redis_max_bytes else 0.0
    yield (
        "LogoNoWorkerReady",
        bool(sight.queued) and not any(w.ready for w in workers),
        "Jobs wait and no worker is ready.",
    )
    yield "LogoNoSweeper", not sight.swept, "No sweeper leads: jobs of dead workers are not recovered."
    yield "LogoQueueOld", oldest > QUEUE_OLD_SECONDS, f"A job has waited for {oldest:.0f} s."
    yield "LogoJobsFailing", share > FAILING_SHARE, f"{share:.0%} of the jobs of ten minutes failed."
    out_of_memory = any(end.code == Failure.GPU_OUT_OF_MEMORY for end in failed)
    yield "LogoOutOfMemory", out_of_memory, "A drawing did not fit into a card's memory."
    yield "LogoNoRoom", any(w.waits_for_room for w in workers), "Workers wait for memory in Redis: nothing is drawn."
    yield "LogoEventsLag", events_lag > EVENTS_LAG_SECONDS, f"This API process is {events_lag:.0f} s behind the events."
    yield "LogoApiLate", loop_lag > LOOP_LAG_SECONDS, f"This API process is {loop_lag:.1f} s late with its calls."
    yield "LogoRedisMemory", used > REDIS_MEMORY_SHARE, f"Redis is {used:.0%} full; at 100 % submits answer 503."
    for setting in sorted(state.redis_dangers):
        yield "LogoRedisDangerous", True, f"Redis' setting {setting} endangers jobs."
