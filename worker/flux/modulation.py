"""The blocks' modulations (AdaLN's shift, scale and gate), computed once for all steps of a request.

They are functions of time step, guidance and pooled prompt. Each is a matrix-vector product with 28 to 57 million
weights, and together they are a quarter of the model: computed at each step, the card would read 6.4 GB of bf16 for
them each time. Here each weight is read once for all steps. The images of a request share a prompt, so they share the
rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from diffusers.models.normalization import AdaLayerNormContinuous, AdaLayerNormZero, AdaLayerNormZeroSingle
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_STEPS = 50
_NORMS = (AdaLayerNormZero, AdaLayerNormZeroSingle, AdaLayerNormContinuous)


class Row(nn.Module):
    """Replaces a modulation's linear layer: `row` (1, its width) is that of the present step."""

    def __init__(self, row: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("row", row, persistent=False)

    def forward(self, _: torch.Tensor) -> torch.Tensor:
        return cast("torch.Tensor", self.row)


class _NoEmbedding(nn.Module):
    """Replaces the embedding of time, guidance and prompt, whose output only the replaced layers read."""

    def forward(self, timestep: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        return timestep[:1, None]


class Modulations:
    def __init__(self, transformer: Any) -> None:
        """Takes the modulations out of `transformer`, whose forward then needs `select` before each step."""
        norms: list[Any] = [module for module in transformer.modules() if isinstance(module, _NORMS)]
        self._linears: list[Any] = [norm.linear for norm in norms]
        self._embed = transformer.time_text_embed
        widths = [linear.out_features for linear in self._linears]
        device, dtype = transformer.x_embedder.bias.device, transformer.x_embedder.bias.dtype
        self._table = torch.zeros(MAX_STEPS, sum(widths), device=device, dtype=dtype)
        # Its address never changes: CUDA graphs read it.
        self._current = torch.zeros(1, sum(widths), device=device, dtype=dtype)
        for norm, row in zip(norms, torch.split(self._current, widths, 1), strict=True):
            norm.linear = Row(row)
        transformer.time_text_embed = _NoEmbedding()

    def prepare(self, timesteps: torch.Tensor, guidance: torch.Tensor | None, pooled: torch.Tensor) -> None:
        """Fills the table for all steps of a request.

        :param timesteps: (steps,), the scheduler's, from 1000 down to 0.
        :param guidance: (B,) of equal numbers, or None for a model without guidance.
        :param pooled: (B, CLIP's width) of equal rows.
        """
        count, dtype = len(timesteps), pooled.dtype
        # Rounded where diffusers' pipeline and transformer round.
        times = (timesteps.to(dtype) / 1000).to(dtype) * 1000
        rows = [times]
        if guidance is not None:
            rows.append((guidance[:1].to(dtype) * 1000).expand(count))
        embedded = nn.functional.silu(self._embed(*rows, pooled[:1].expand(count, -1)))
        start = 0
        for linear in self._linears:
            self._table[:count, start : start + linear.out_features] = linear(embedded)
            start += linear.out_features

    def select(self, step: int) -> None:
        """Makes the rows of `step`, from 0, the present ones."""
        self._current.copy_(self._table[step : step + 1])


class Modulated:
    """Stands in for the transformer's forward: fills the table at the first step, and selects each step's rows."""

    def __init__(self, forward: Callable[..., Any], modulations: Modulations, scheduler: Any) -> None:
        self._forward = forward
        self._modulations = modulations
        self._scheduler = scheduler

    def __call__(self, **inputs: Any) -> Any:
        step = self._scheduler.step_index or 0
        if step == 0:
            guidance, pooled = inputs["guidance"], inputs["pooled_projections"]
            self._modulations.prepare(self._scheduler.timesteps, guidance, pooled)
        self._modulations.select(step)
        # FLUX has no attention arguments; what the engine hands on this way is the forward's own.
        own = inputs.pop("joint_attention_kwargs", None) or {}
        return self._forward(**inputs, **own)
