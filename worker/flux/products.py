"""FLUX's matrix products and its attention, on rows in the format that each layer takes."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from worker.flux.linears import Fp8Linear, Quantized
from worker.flux.rows import Addend, Rows, to_rows


def attend(qkv: torch.Tensor, start: int = 0) -> torch.Tensor:
    """(images, tokens, 3, heads, dim) to (images, tokens from `start` on, heads * dim)."""
    query, key, value = (part.transpose(1, 2) for part in qkv.unbind(2))
    return functional.scaled_dot_product_attention(query[:, :, start:], key, value).transpose(1, 2).flatten(2)


def takes(layer: nn.Module) -> torch.dtype | None:
    return layer.takes if isinstance(layer, Quantized) else None


def product(layer: Any, rows: Rows, dtype: torch.dtype) -> torch.Tensor:
    return layer.product(rows, dtype) if isinstance(layer, Quantized) else layer(rows.values)


def gated(gate: torch.Tensor, layer: Any, rows: Rows, x: torch.Tensor) -> Addend:
    """What is yet to be added to `x`: gate times the layer's output."""
    if isinstance(layer, Fp8Linear):
        return layer.addend(rows, x.shape[:2], gate, x.dtype)
    return Addend(gate, [product(layer, rows, x.dtype).view(x.shape)])


def gelu_product(layer: Any, rows: Rows, form: torch.dtype | None, dtype: torch.dtype) -> Rows:
    """gelu(layer(rows)), for a product that takes `form`."""
    if isinstance(layer, nn.Linear) and form is None and rows.values.is_cuda:
        # Within the product's own kernel.
        return Rows(torch._addmm_activation(layer.bias, rows.values, layer.weight.t(), use_gelu=True))  # noqa: SLF001
    return to_rows(product(layer, rows, dtype)[None], form, gelu=True)
