"""The read-only commands of the ledger, for the API and the sweeper. Each function returns a `Command` (run.py)."""

from __future__ import annotations

from shared.ledger import keys
from shared.ledger.replies import Backlog, Reading, ids_of, reading_of
from shared.ledger.run import Command


def job(job_id: str) -> Command[Reading | None]:
    """One job; None if it is unknown."""
    return Command("read", (keys.job(job_id), keys.QUEUED, *keys.IN_TURN), (job_id,), reading_of)


def held(worker: str) -> Command[str]:
    """The id of the job that `worker` draws; empty without one."""
    return Command("held", (keys.HELD,), (worker,), lambda reply: reply.decode())


def lost_leases(limit: int = 100) -> Command[list[str]]:
    """The jobs whose lease has expired."""
    return due(keys.LEASES, limit)


def passed_deadlines(limit: int = 100) -> Command[list[str]]:
    return due(keys.DEADLINES, limit)


def due(zset: str, limit: int) -> Command[list[str]]:
    """The job ids in `zset` whose time has passed, by the Redis server's clock."""
    return Command("due", (zset,), (limit,), ids_of)


def oldest_images(limit: int) -> Command[list[str]]:
    """The jobs whose images expire first."""
    return Command("oldest", (keys.IMAGES,), (limit,), ids_of)


def queued() -> Command[list[str]]:
    """Every queued job, in the order in which the turns are expected to come."""
    return Command("queued", (keys.QUEUED, *keys.IN_TURN), (keys.job(""),), ids_of)


def backlog() -> Command[Backlog]:
    return Command(
        "backlog",
        (keys.QUEUED,),
        tuple(keys.QUEUE_OFFSETS.values()),
        lambda reply: Backlog(reply[0], reply[1] / 1000),
    )
