"""The draft plan's step cache: the transformer runs at some of the steps only, by a fixed schedule.

The velocity of a flow changes slowly from step to step. At a skipped step it is extrapolated linearly in sigma from the
last two that were computed, which makes the sampler a second-order Adams-Bashforth on a coarser grid. Caches that
decide by the first block's output read it back from the card; a fixed schedule reads nothing, so each computed step
stays one CUDA graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

# All of the first steps are computed: they decide the composition.
FIRST_STEPS = 4
# Of fewer, all are computed: they are too long to extrapolate over, and adapters for few steps need each of them.
LEAST_STEPS = 16


class Extrapolation:
    """Stands in for the transformer's forward."""

    def __init__(self, forward: Callable[..., Any], scheduler: Any, interval: int) -> None:
        """`interval`: after the first steps, one of so many is computed."""
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


def computed(step: int, steps: int, interval: int) -> bool:
    """Whether `step`, from 0, of `steps` runs the transformer; the first and the last always do."""
    if steps < LEAST_STEPS:
        return True
    return step < FIRST_STEPS or step == steps - 1 or (step - FIRST_STEPS) % interval == interval - 1
