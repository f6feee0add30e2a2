"""What is being drawn and queued, by how many workers and at which pace: all that an estimate needs, in one look."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from shared import workers
from shared.ledger import keys
from shared.ledger.run import Command
from shared.pace import Pace, Shape

# Queued jobs that are read one by one; an estimate counts those behind them as the mean of these.
LOOKED_AT = 2000


@dataclass(frozen=True, slots=True)
class Running:
    """A running job."""

    shape: Shape
    step: int  # of all its images, as `steps`
    steps: int
    started_at: int


@dataclass(frozen=True, slots=True)
class Queued:
    shape: Shape
    owner: str


@dataclass(frozen=True, slots=True)
class Outlook:
    time: int  # of the Redis server, in milliseconds
    running: list[Running]
    queued: list[Queued]
    ready_workers: int = 0  # those whose model is loaded
    pace: Pace = field(default_factory=lambda: Pace({}))  # of their model


def outlook() -> Command[Outlook]:
    return Command(
        "outlook",
        (keys.QUEUED, keys.LEASES, workers.WORKERS),
        (keys.job(""), LOOKED_AT, workers.key(""), keys.pace("")),
        _outlook,
    )


def _outlook(reply: list[Any]) -> Outlook:
    now, running, queued, ready, measured = reply
    return Outlook(
        now,
        [Running(_shape(*asked), *(int(number or 0) for number in numbers)) for asked, *numbers in running],
        [Queued(_shape(*asked), (owner or b"").decode()) for asked, owner in queued],
        ready,
        Pace({name.decode(): float(value) for name, value in zip(measured[::2], measured[1::2], strict=True)}),
    )


def _shape(sizes: bytes, requested_steps: bytes | None, num_images: bytes | None) -> Shape:
    # A record from before variations has no number of images.
    return Shape(max(json.loads(sizes)), int(requested_steps or 0), int(num_images or 1))
