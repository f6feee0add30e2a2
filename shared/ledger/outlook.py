"""Reads all that an estimate needs in one call: running and queued jobs, ready workers and their measured pace.

The API's forecasts use it (api/forecasting.py).
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field
from typing import Any

from shared import workers
from shared.canvas import Canvas
from shared.ledger import keys
from shared.ledger.run import Command
from shared.pace import Pace, Shape

# The most queued jobs that are read; an estimate assumes the mean of these for each job behind them.
LOOKED_AT = 2000


@dataclass(frozen=True, slots=True)
class Running:
    shape: Shape
    step: int  # `step` and `steps` count the denoising steps of all images together
    steps: int
    started_at: int  # milliseconds since the epoch


@dataclass(frozen=True, slots=True)
class Queued:
    shape: Shape
    owner: str


@dataclass(frozen=True, slots=True)
class Outlook:
    time: int  # milliseconds since the epoch by the Redis server's clock
    running: list[Running]
    queued: list[Queued]
    ready_workers: int = 0  # workers whose model is loaded
    pace: Pace = field(default_factory=lambda: Pace({}))  # the pace of their model


def outlook() -> Command[Outlook]:
    return Command(
        "outlook",
        (keys.QUEUED, keys.LEASES, workers.WORKERS, *keys.IN_TURN),
        (keys.job(""), LOOKED_AT, workers.key(""), keys.pace("")),
        _outlook,
    )


def _outlook(reply: list[Any]) -> Outlook:
    now, running, queued, ready, measured = reply
    return Outlook(
        now,
        [Running(_shape(*asked[:-1]), *(int(number or 0) for number in numbers)) for asked, *numbers in running],
        [Queued(_shape(*asked[:-1]), (asked[-1] or b"").decode()) for asked in queued],
        ready,
        Pace({name.decode(): float(value) for name, value in zip(measured[::2], measured[1::2], strict=True)}),
    )


@functools.lru_cache(maxsize=1024)  # a long queue asks for few different shapes
def _shape(sizes: bytes, *rest: bytes | None) -> Shape:
    requested_steps, num_images, canvas, strength = rest
    # Records lack newer fields at their defaults.
    largest = Canvas.named(canvas.decode()) if canvas else Canvas.of(max(json.loads(sizes)))
    return Shape(
        largest.edge,
        int(requested_steps or 0),
        int(num_images or 1),
        oblong=not largest.is_square,
        strength=float(strength or 1),
    )
