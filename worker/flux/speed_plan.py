"""The speed plans, by name (`SPEED_PLAN`). install.py says what each part of a plan puts on the pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.flux.step_schedule import few, most

if TYPE_CHECKING:
    from worker.flux.step_schedule import StepSchedule


@dataclass(frozen=True, slots=True)
class SpeedPlan:
    name: str
    fp8: bool = False  # the blocks' matrix products in fp8, or int8 where the card does not multiply fp8 (linears.py)
    computed: StepSchedule | None = None  # at which steps the transformer runs; None: at each


SPEED_PLANS = {
    "exact": SpeedPlan("exact"),
    "fast": SpeedPlan("fast", fp8=True, computed=most),
    "draft": SpeedPlan("draft", fp8=True, computed=few(3.43)),
}
