"""The speed plans, by name (`SPEED_PLAN`). install.py says what each part of a plan puts on the pipeline."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SpeedPlan:
    name: str
    fp8: bool = False  # the blocks' matrix products in fp8, or int8 where the card does not multiply fp8 (linears.py)
    interval: float = 1  # about one of so many steps is computed, the others are extrapolated (extrapolation.py)


SPEED_PLANS = {
    "exact": SpeedPlan("exact"),
    "fast": SpeedPlan("fast", fp8=True),
    "draft": SpeedPlan("draft", fp8=True, interval=3.43),
}
