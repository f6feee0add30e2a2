"""The draft plan's step cache: on a fixed schedule, the transformer runs at some of the steps only.

The velocity of a flow changes slowly along it. At a skipped step it is extrapolated in sigma through the last two that
were computed: a second-order Adams-Bashforth sampler on a coarser grid. Nothing is read back from the card, unlike in
caches that decide by the first block's output, so that each computed step stays one whole CUDA graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

# The first steps place the shapes, and are all computed.
FIRST_STEPS = 4


class Extrapolation:
    """Stands in for the transformer's forward."""

    def __init__(self, forward: Callable[..., Any], scheduler: Any, interval: int) -> None:
        """`interval`: of so many steps after the first ones, one is computed."""
        self._forward = forward
        self._scheduler = scheduler
        self._interval = interval
        # (sigma, velocity) of the last two steps that were computed.
        self._known: list[tuple[torch.Tensor, torch.Tensor]] = []

    def __call__(self, **inputs: Any) -> tuple[torch.Tensor]:
        step = self._scheduler.step_index or 0
        sigma = self._scheduler.sigmas[step]
        if step == 0:
            self._known.clear()
        if computed(step, len(self._scheduler.timesteps), self._interval):
            (velocity,) = self._forward(**inputs)
            self._known = [*self._known[-1:], (sigma, velocity.clone())]
            return (velocity,)
        (sigma_a, velocity_a), (sigma_b, velocity_b) = self._known
        ratio = (sigma - sigma_b) / (sigma_b - sigma_a)
        return (velocity_b + ratio * (velocity_b - velocity_a),)


def computed(step: int, steps: int, interval: int) -> bool:
    return step < FIRST_STEPS or step == steps - 1 or (step - FIRST_STEPS) % interval == interval - 1
