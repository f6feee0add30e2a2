"""Linear layers with 8-bit and 4-bit weights, as plain modules: they move, save and compile like any other.

Not torchao's tensor subclasses: torchao 0.18 does not compile under torch 2.13 (docs/decisions/0008-own-linears.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

FP8_MAX = 448.0  # the largest e4m3
INT8_MAX = 127.0
NF4_BLOCK = 64
# _int_mm takes no fewer rows.
INT8_LEAST_ROWS = 17
TINY = 1e-12
# QLoRA's 4-bit NormalFloat (Dettmers et al. 2023, appendix E).
NF4 = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334),
    *(-0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
    *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
)


class Quantized(nn.Module):
    """`codes` (out, in) and `scale` (out, 1): their product is the layer's weight."""

    weight = None  # transformers' T5 casts the input to the dtype of a weight
    codes: torch.Tensor
    scale: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, codes: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None) -> None:
        super().__init__()
        self.out_features, self.in_features = codes.shape
        self.register_buffer("codes", codes)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", bias)


class Fp8Linear(Quantized):
    """e4m3 products with a scale for each row of the input and of the weights; needs compute capability 8.9."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(*_to_fp8(linear.weight.detach()), _bias(linear))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows, scale = _to_fp8(x.flatten(0, -2))
        if x.is_cuda:
            out = torch._scaled_mm(  # noqa: SLF001 - torch has no public name for it
                rows,
                self.codes.t(),
                scale_a=scale,
                scale_b=self.scale.t(),
                bias=self.bias,
                out_dtype=x.dtype,
                use_fast_accum=True,
            )
        else:
            # The same numbers, for tests.
            out = (rows.float() @ self.codes.float().t() * scale * self.scale.t()).to(x.dtype)
            out = out if self.bias is None else out + self.bias
        return out.view(*x.shape[:-1], self.out_features)


class Int8Linear(Quantized):
    """As `Fp8Linear`, in int8: for cards without fp8."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(*_to_int8(linear.weight.detach()), _bias(linear))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.flatten(0, -2)
        if rows.shape[0] < INT8_LEAST_ROWS:
            out = functional.linear(rows, self.codes.to(x.dtype)) * self.scale.t().to(x.dtype)
        else:
            rows, scale = _to_int8(rows)
            product = torch._int_mm(rows, self.codes.t())  # noqa: SLF001 - as above
            out = (product.float() * scale * self.scale.t()).to(x.dtype)
        out = out if self.bias is None else out + self.bias
        return out.view(*x.shape[:-1], self.out_features)


class Nf4Linear(nn.Module):
    """4-bit weights in blocks of 64 with a scale each (4.25 bits a weight), made bf16 again for each product."""

    weight = None  # transformers' T5 casts the input to the dtype of a weight
    codes: torch.Tensor
    scale: torch.Tensor
    pairs: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        self.out_features, self.in_features = weight.shape
        blocks = weight.float().reshape(-1, NF4_BLOCK)
        scale = blocks.abs().amax(1, keepdim=True).clamp(min=TINY)
        codes = torch.tensor(NF4, device=weight.device)
        middles = (codes[1:] + codes[:-1]) / 2
        nearest = torch.bucketize(blocks / scale, middles, out_int32=True).reshape(-1, 2)
        pairs = torch.cartesian_prod(codes, codes)  # by byte: the two weights that it holds
        self.register_buffer("codes", (nearest[:, 0] * 16 + nearest[:, 1]).to(torch.uint8))
        self.register_buffer("scale", scale.to(weight.dtype))
        self.register_buffer("pairs", pairs.to(weight.dtype))
        self.register_buffer("bias", _bias(linear))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        blocks = functional.embedding(self.codes.int(), self.pairs).view(-1, NF4_BLOCK) * self.scale
        return functional.linear(x, blocks.view(self.out_features, self.in_features), self.bias)


KINDS: dict[str, Callable[[nn.Linear], nn.Module]] = {"fp8": Fp8Linear, "int8": Int8Linear, "nf4": Nf4Linear}
# What a weight takes, its share of the scales included (a row is a few thousand weights).
BYTES_PER_WEIGHT = {"bf16": 2.0, "fp8": 1.002, "int8": 1.002, "nf4": 4.25 / 8}


def quantize(module: nn.Module, kind: str) -> None:
    """Replaces the linear layers under `module` whose shapes allow it: the cards' kernels ask for multiples of 16."""
    make = KINDS[kind]
    unit = NF4_BLOCK if kind == "nf4" else 16
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear) and child.in_features % unit == 0 and child.out_features % 16 == 0:
                setattr(parent, name, make(child))


def _bias(linear: nn.Linear) -> torch.Tensor | None:
    return None if linear.bias is None else linear.bias.detach()


def _to_fp8(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    scale = rows.abs().amax(-1, keepdim=True).float().clamp(min=TINY) / FP8_MAX
    return (rows.float() / scale).clamp(-FP8_MAX, FP8_MAX).to(torch.float8_e4m3fn), scale


def _to_int8(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    scale = rows.abs().amax(-1, keepdim=True).float().clamp(min=TINY) / INT8_MAX
    return (rows.float() / scale).round().to(torch.int8), scale
