"""The draft plan's step cache: the transformer runs at some of the steps only, by a fixed schedule.

The velocity of a flow changes slowly from step to step. At a skipped step it is extrapolated linearly in sigma from the
last two that were computed, which makes the sampler a second-order Adams-Bashforth on a coarser grid. Caches that
decide by the first block's output read it back from the card; a fixed schedule reads nothing, so each computed step
stays one CUDA graph.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

# Of the steps that are computed, so many are for the first ones, which decide the composition.
FIRST_STEPS = 4
# How much denser the first ones are: of n + 1 computed steps, the k-th is at the share (k / n) ** DENSITY of all steps.
DENSITY = 1.6
# Of fewer, all are computed: they are too long to extrapolate over, and adapters for few steps need each of them.
LEAST_STEPS = 16


class Extrapolation:
    """Stands in for the transformer's forward."""

    def __init__(self, forward: Callable[..., Any], scheduler: Any, interval: float) -> None:
        """`interval`: beside FIRST_STEPS, one of so many is computed."""
        self._forward = forward
        self._scheduler = scheduler
        self._interval = interval
        # (sigma, velocity) of the last two steps that were computed, velocity (B, T_image, channels).
        self._known: list[tuple[torch.Tensor, torch.Tensor]] = []

    def __call__(self, **inputs: Any) -> tuple[torch.Tensor]:
        step = self._scheduler.step_index or 0
        sigma = self._scheduler.sigmas[step]
        if step == 0:
            self._known.clear()
        if computed(step, len(self._scheduler.timesteps), self._interval):
            (velocity,) = self._forward(**inputs)
            # A graph's output is overwritten by its next replay.
            self._known = [*self._known[-1:], (sigma, velocity.clone())]
            return (velocity,)
        (sigma_a, velocity_a), (sigma_b, velocity_b) = self._known
        ratio = (sigma - sigma_b) / (sigma_b - sigma_a)
        return (velocity_b + ratio * (velocity_b - velocity_a),)


def computed(step: int, steps: int, interval: float) -> bool:
    """Whether `step`, from 0, of `steps` runs the transformer; the first and the last always do."""
    return steps < LEAST_STEPS or step in _places(steps, interval)


@lru_cache
def _places(steps: int, interval: float) -> frozenset[int]:
    count = FIRST_STEPS + round((steps - FIRST_STEPS) / interval)
    places = {round((steps - 1) * (index / (count - 1)) ** DENSITY) for index in range(count)}
    # Where two are the same step, the first that are left over take the second's place.
    others = (step for step in range(steps) if step not in places)
    return frozenset(places | {next(others) for _ in range(count - len(places))})
