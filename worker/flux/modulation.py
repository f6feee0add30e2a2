"""The blocks' modulations: functions of time step, guidance and pooled prompt, computed once for a whole drawing.

Each is a matrix-vector product with 28 to 57 million weights, and together they are a quarter of the model: at each
step the card would read 6.4 GB of bf16 for them. Here each weight is read once for all steps. The images of one drawing
share a prompt, so they share the rows.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from diffusers.models.normalization import AdaLayerNormContinuous, AdaLayerNormZero, AdaLayerNormZeroSingle
from torch import nn

MAX_STEPS = 50
_NORMS = (AdaLayerNormZero, AdaLayerNormZeroSingle, AdaLayerNormContinuous)


class Row(nn.Module):
    """Stands where a modulation's linear layer was, and gives the present step's row."""

    def __init__(self, row: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("row", row, persistent=False)

    def forward(self, _: torch.Tensor) -> torch.Tensor:
        return cast("torch.Tensor", self.row)


class _Nothing(nn.Module):
    """Stands where the embedding of time, guidance and prompt was: only the rows are read."""

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
        self._current = torch.zeros(1, sum(widths), device=device, dtype=dtype)
        for norm, row in zip(norms, torch.split(self._current, widths, 1), strict=True):
            norm.linear = Row(row)
        transformer.time_text_embed = _Nothing()

    def prepare(self, timesteps: torch.Tensor, guidance: torch.Tensor | None, pooled: torch.Tensor) -> None:
        """For all steps of a drawing: (steps,) as the scheduler has them, (1,) or None, and (1, width)."""
        count, dtype = len(timesteps), pooled.dtype
        # In the roundings of diffusers' pipeline and transformer.
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
        self._current.copy_(self._table[step : step + 1])
