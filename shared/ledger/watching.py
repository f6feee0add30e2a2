"""Reads what an operator looks at in one call: jobs that are held, the queue by key and priority, the last ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shared.ledger import keys
from shared.ledger.run import Command

ENDS = 100
# The most queued jobs that are read and counted by key, and the most events that are searched for ends.
QUEUED, EVENTS = 2000, 2000
_HELD: tuple[str, ...] = (
    "id",
    "status",
    "owner",
    "worker",
    "attempt",
    "step",
    "steps",
    "started_at",
    "num_images",
    "prompt",
    "cancel_requested",
)
_ENDED = ("owner", "worker", "error_code", "error_message", "created_at", "started_at", "drawn_at", "num_images")


@dataclass(frozen=True, slots=True)
class Held:
    """A job that is drawn or finished."""

    id: str
    status: str
    owner: str
    worker: str
    attempt: int
    step: int
    steps: int
    started_at: int  # milliseconds, as all times here
    num_images: int
    prompt: str
    cancel_requested: bool


@dataclass(frozen=True, slots=True)
class Group:
    """The queued jobs of one key and priority."""

    owner: str
    priority: str
    jobs: int
    oldest_at: int


@dataclass(frozen=True, slots=True)
class End:
    id: str
    status: str
    at: int
    owner: str
    worker: str
    code: str
    message: str
    created_at: int  # 0, as what follows, of a job whose record is gone
    started_at: int
    drawn_at: int
    num_images: int

    @property
    def image_seconds(self) -> float | None:
        """How long drawing took for each image; None if it was not drawn."""
        took = self.drawn_at - self.started_at
        return took / 1000 / self.num_images if self.started_at and took > 0 else None


@dataclass(frozen=True, slots=True)
class Sight:
    time: int  # by the Redis server's clock
    swept: bool  # whether a sweeper leads
    held: list[Held]
    queued: int  # also those beyond the ones that are in `queue`
    queue: list[Group]
    ends: list[End]  # the last first


def sight() -> Command[Sight]:
    return Command(
        "watch",
        (keys.QUEUED, keys.LEASES, keys.EVENTS, keys.SWEEPER),
        (keys.job(""), QUEUED, ENDS, EVENTS, " ".join(_HELD), " ".join(_ENDED)),
        _sight,
    )


def _sight(reply: list[Any]) -> Sight:
    now, leads, held, queued, groups, ends = reply
    return Sight(
        time=now,
        swept=bool(leads),
        held=[_held(*map(_text, row)) for row in held if row[0]],
        queued=queued,
        queue=[Group(_text(o), _text(p), number, int(oldest)) for o, p, number, oldest in groups],
        ends=[_end(*map(_text, row)) for row in ends],
    )


def _text(value: bytes | None) -> str:
    return (value or b"").decode()


def _held(*values: str) -> Held:
    job_id, status, owner, worker, attempt, step, steps, started_at, num_images, prompt, canceling = values
    return Held(
        id=job_id,
        status=status,
        owner=owner,
        worker=worker,
        attempt=int(attempt or 0),
        step=int(step or 0),
        steps=int(steps or 0),
        started_at=int(started_at or 0),
        num_images=int(num_images or 1),
        prompt=prompt,
        cancel_requested=canceling == "1",
    )


def _end(*values: str) -> End:
    job_id, status, at, owner, worker, code, message, *numbers = values
    created_at, started_at, drawn_at, num_images = (int(number or 0) for number in numbers)
    return End(job_id, status, int(at), owner, worker, code, message, created_at, started_at, drawn_at, num_images or 1)
