"""Matrix products. A layer's input is `Rows` in the format that the layer multiplies (`row_format`)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from worker.flux.linears import Fp8Linear, QuantizedLinear
from worker.flux.rows import Addend, Rows, to_rows


def row_format(layer: nn.Module) -> torch.dtype | None:
    """What the layer's input is quantized to; None: not at all."""
    return layer.row_format if isinstance(layer, QuantizedLinear) else None


def product(layer: Any, rows: Rows, dtype: torch.dtype, out: torch.Tensor | None = None) -> torch.Tensor:
    """(rows, in) to (rows, out) in `dtype`, written to `out` where it is given: on a card only."""
    if isinstance(layer, QuantizedLinear):
        return layer.product(rows, dtype, out)
    if out is None or layer.bias is None:
        made: torch.Tensor = layer(rows.values)
        return made
    return torch.addmm(layer.bias, rows.values, layer.weight.t(), out=out)


def gated(gate: torch.Tensor, layer: Any, rows: Rows, x: torch.Tensor) -> Addend:
    """What is yet to be added to `x` (B, T, W): gate (1, W) times the layer's output. An fp8 layer leaves its scales to
    the pass that adds.
    """
    if isinstance(layer, Fp8Linear):
        return layer.addend(rows, x.shape[:2], gate, x.dtype)
    return Addend(gate, [product(layer, rows, x.dtype).view(x.shape)])


def gelu_product(layer: Any, rows: Rows, next_format: torch.dtype | None, dtype: torch.dtype) -> Rows:
    """gelu(layer(rows)), as rows for a product of `next_format`."""
    if isinstance(layer, nn.Linear) and next_format is None and rows.values.is_cuda:
        # cuBLAS computes the GELU in the product's own kernel.
        return Rows(torch._addmm_activation(layer.bias, rows.values, layer.weight.t(), use_gelu=True))  # noqa: SLF001
    return to_rows(product(layer, rows, dtype)[None], next_format, gelu=True)
