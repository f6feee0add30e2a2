"""The step cache of `fast` and `draft`: the transformer runs at some of the steps only, by a fixed schedule
(step_schedule.py).

The velocity of a flow changes slowly from step to step. At a skipped step it is extrapolated linearly in sigma from the
last two that were computed, which makes the sampler a second-order Adams-Bashforth on a coarser grid. At the next
computed step the skipped ones are made good: the latents move by what interpolation between the computed steps around
gives beyond what extrapolation gave. That is the corrector of a predictor-corrector method, as UniPC has it (Zhao et
al. 2023, https://arxiv.org/abs/2302.04867), and runs the transformer no more often. It is returned as a part of that
step's velocity.

Caches that decide by the first block's output read it back from the card; a fixed schedule reads nothing, so each
computed step stays one CUDA graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.flux.step_schedule import StepSchedule


class Extrapolation:
    """Stands in for the transformer's forward."""

    def __init__(self, forward: Callable[..., Any], scheduler: Any, computed: StepSchedule) -> None:
        self._forward = forward
        self._scheduler = scheduler
        self._computed = computed
        # (sigma, velocity) of the last two steps that were computed, velocity (B, T_image, channels).
        self._known: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._skipped: _Skipped | None = None

    def __call__(self, **inputs: Any) -> tuple[torch.Tensor]:
        step = self._scheduler.step_index or 0
        sigma, after = self._scheduler.sigmas[step], self._scheduler.sigmas[step + 1]
        if step == 0:
            self._known.clear()
            self._skipped = None
        if self._computed(step, len(self._scheduler.timesteps)):
            (velocity,) = self._forward(**inputs)
            # A graph's output is overwritten by its next replay.
            self._known = [*self._known[-1:], (sigma, velocity.clone())]
            if self._skipped is None:
                return (velocity,)
            correction = self._skipped.correction(*self._known)
            self._skipped = None
            return ((velocity.float() + correction / (after - sigma)).to(velocity.dtype),)
        (sigma_a, velocity_a), (sigma_b, velocity_b) = self._known
        ratio = (sigma - sigma_b) / (sigma_b - sigma_a)
        velocity = velocity_b + ratio * (velocity_b - velocity_a)
        self._skipped = self._skipped or _Skipped(torch.zeros_like(velocity, dtype=torch.float32), 0.0, 0.0)
        self._skipped.add(velocity, sigma, after - sigma)
        return (velocity,)


@dataclass(slots=True)
class _Skipped:
    """Sums over the steps that were skipped since the last computed one. They stay on the card: nothing waits."""

    moved: torch.Tensor  # of velocity x length, by which the latents were moved
    length: torch.Tensor | float  # of the steps' lengths in sigma
    moment: torch.Tensor | float  # of length x sigma

    def add(self, velocity: torch.Tensor, sigma: torch.Tensor, length: torch.Tensor) -> None:
        self.moved += length * velocity.float()
        self.length = self.length + length
        self.moment = self.moment + length * sigma

    def correction(
        self, before: tuple[torch.Tensor, torch.Tensor], now: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        """What the latents lack of what they had been moved by with velocities on the line from `before` to `now`, the
        computed steps around: (sigma, velocity).
        """
        velocity = now[1].float()
        slope = (before[1].float() - velocity) / (before[0] - now[0])
        return velocity * self.length + slope * (self.moment - now[0] * self.length) - self.moved
