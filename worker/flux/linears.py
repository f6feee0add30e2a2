"""Linear layers with 8-bit and 4-bit weights, as plain modules: they move and save like any other.

Not torchao's tensor subclasses: docs/decisions/0008-own-linears.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, cast

import torch
from torch import nn
from torch.nn import functional

from worker.flux.rows import TINY, Addend, Rows, Scales, quantize, to_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NF4_BLOCK = 64
BYTES_AT_ONCE = 1024
COLUMNS_AT_ONCE = 1024
# _int_mm takes no fewer rows.
INT8_LEAST_ROWS = 17
# QLoRA's 4-bit NormalFloat (Dettmers et al. 2023, appendix E).
NF4 = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334),
    *(-0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
    *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
)


class Quantized(nn.Module):
    """`codes` and `scale`: of the weight (out, in)."""

    weight = None  # transformers' T5 casts the input to the dtype of a weight
    takes: torch.dtype | None = None  # the format of the rows that `product` multiplies, None: as they are
    codes: torch.Tensor
    scale: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, codes: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None, width: int) -> None:
        super().__init__()
        self.out_features, self.in_features = scale.shape[0], width
        self.register_buffer("codes", codes)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", bias)

    @classmethod
    def of(cls, linear: nn.Linear) -> Self:
        codes, scale = quantize(linear.weight.detach(), cast("torch.dtype", cls.takes))
        return cls(codes, scale, _bias(linear), linear.in_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = to_rows(x.reshape(1, -1, self.in_features), self.takes)
        return self.product(rows, x.dtype).view(*x.shape[:-1], self.out_features)

    def product(self, rows: Rows, dtype: torch.dtype) -> torch.Tensor:
        raise NotImplementedError

    def split(self, width: int) -> tuple[Self, Self]:
        """For the first inputs and for the others; their sum is this layer's output."""
        codes = torch.split(self.codes, [width, self.in_features - width], 1)
        first, second = (type(self)(part.contiguous(), self.scale, None, part.shape[1]) for part in codes)
        second.bias = self.bias
        return first, second


class Fp8Linear(Quantized):
    """e4m3 products with a scale for each row of the input and of the weights; needs compute capability 8.9."""

    takes = torch.float8_e4m3fn
    one: torch.Tensor

    def __init__(self, codes: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None, width: int) -> None:
        super().__init__(codes, scale, bias, width)
        self.register_buffer("one", torch.ones((), device=codes.device), persistent=False)

    def addend(self, rows: Rows, shape: Sequence[int], gate: torch.Tensor, dtype: torch.dtype) -> Addend:
        """Its sums, and the scales for whoever adds them: cuBLAS multiplies up to a quarter faster without scales of
        rows (docs/performance.md).

        :param shape: (images, tokens) of `rows`.
        """
        values, scale = rows.values, cast("torch.Tensor", rows.scale)
        if values.is_cuda:
            sums = torch._scaled_mm(  # noqa: SLF001 - as below
                values, self.codes.t(), scale_a=self.one, scale_b=self.one, out_dtype=dtype, use_fast_accum=True
            )
        else:
            sums = (values.float() @ self.codes.float().t()).to(dtype)
        bias = self.scale.new_zeros(self.out_features) if self.bias is None else self.bias
        return Addend(gate, [sums.view(*shape, -1)], Scales(scale.view(*shape), self.scale.view(-1), bias))

    def product(self, rows: Rows, dtype: torch.dtype) -> torch.Tensor:
        values, scale = rows.values, cast("torch.Tensor", rows.scale)
        if not values.is_cuda:
            out = (values.float() @ self.codes.float().t() * scale * self.scale.t()).to(dtype)
            return out if self.bias is None else out + self.bias
        return torch._scaled_mm(  # noqa: SLF001 - torch has no public name for it
            values,
            self.codes.t(),
            scale_a=scale,
            scale_b=self.scale.t(),
            bias=self.bias,
            out_dtype=dtype,
            use_fast_accum=True,
        )


class Int8Linear(Quantized):
    """As `Fp8Linear`, in int8: for cards without fp8."""

    takes = torch.int8

    def product(self, rows: Rows, dtype: torch.dtype) -> torch.Tensor:
        values, scale = rows.values, cast("torch.Tensor", rows.scale)
        if len(values) < INT8_LEAST_ROWS:
            values = functional.pad(values, (0, 0, 0, INT8_LEAST_ROWS - len(values)))
        product = torch._int_mm(values, self.codes.t())[: len(rows.values)]  # noqa: SLF001 - as above
        if not values.is_cuda:
            out = (product.float() * scale * self.scale.t()).to(dtype)
            return out if self.bias is None else out + self.bias
        from worker.flux import kernels  # noqa: PLC0415 - Triton comes with torch for a card only

        out = torch.empty(product.shape, dtype=dtype, device=product.device)
        grid = (len(product), -(-self.out_features // COLUMNS_AT_ONCE))
        bias = self.bias if self.bias is not None else self.scale
        kernels.scale_product[grid](
            product, out, scale, self.scale, bias, self.out_features, self.bias is not None, COLUMNS_AT_ONCE
        )
        return out


class Nf4Linear(Quantized):
    """4-bit weights in blocks of 64 with a scale each (4.25 bits a weight), unpacked for each product."""

    table: torch.Tensor

    def __init__(self, codes: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None, width: int) -> None:
        """`codes` (out, in / 2): two weights a byte. `scale` (out, in / 64)."""
        super().__init__(codes, scale, bias, width)
        self.register_buffer("table", torch.tensor(NF4, device=codes.device))

    @classmethod
    def of(cls, linear: nn.Linear) -> Self:
        blocks = linear.weight.detach().float().reshape(linear.out_features, -1, NF4_BLOCK)
        scale = blocks.abs().amax(2, keepdim=True).clamp(min=TINY)
        table = torch.tensor(NF4, device=blocks.device)
        nearest = torch.bucketize(blocks / scale, (table[1:] + table[:-1]) / 2, out_int32=True)
        pairs = nearest.view(linear.out_features, -1, 2)
        codes = (pairs[..., 0] * 16 + pairs[..., 1]).to(torch.uint8)
        return cls(codes, scale.squeeze(2).to(linear.weight.dtype), _bias(linear), linear.in_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, self._weight(x.dtype), self.bias)

    def product(self, rows: Rows, dtype: torch.dtype) -> torch.Tensor:
        return functional.linear(rows.values, self._weight(dtype), self.bias)

    def split(self, width: int) -> tuple[Self, Self]:
        cuts = [width, self.in_features - width]
        codes = torch.split(self.codes, [cut // 2 for cut in cuts], 1)
        scales = torch.split(self.scale, [cut // NF4_BLOCK for cut in cuts], 1)
        first = type(self)(codes[0].contiguous(), scales[0].contiguous(), None, cuts[0])
        return first, type(self)(codes[1].contiguous(), scales[1].contiguous(), self.bias, cuts[1])

    def _weight(self, dtype: torch.dtype) -> torch.Tensor:
        shape = (self.out_features, self.in_features)
        if not self.codes.is_cuda:
            codes = self.codes.int()
            values = self.table[torch.stack([codes >> 4, codes & 15], 2)].view(self.out_features, -1, NF4_BLOCK)
            return (values * self.scale[..., None]).to(dtype).view(shape)
        from worker.flux import kernels  # noqa: PLC0415 - as above

        out = torch.empty(shape, dtype=dtype, device=self.codes.device)
        count = self.codes.numel()
        grid = (-(-count // BYTES_AT_ONCE),)
        kernels.unpack_nf4[grid](self.codes, self.scale, self.table, out, count, NF4_BLOCK, BYTES_AT_ONCE)
        return out


KINDS: dict[str, Callable[[nn.Linear], Quantized]] = {
    "fp8": Fp8Linear.of,
    "int8": Int8Linear.of,
    "nf4": Nf4Linear.of,
}
# What a weight takes, its share of the scales included (a row is a few thousand weights).
BYTES_PER_WEIGHT = {"bf16": 2.0, "fp8": 1.002, "int8": 1.002, "nf4": 4.25 / 8}


def quantize_layers(module: nn.Module, kind: str) -> None:
    """Replaces the linear layers under `module` whose shapes allow it: the cards' kernels ask for multiples of 16."""
    make = KINDS[kind]
    unit = NF4_BLOCK if kind == "nf4" else 16
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear) and child.in_features % unit == 0 and child.out_features % 16 == 0:
                setattr(parent, name, make(child))


def _bias(linear: nn.Linear) -> torch.Tensor | None:
    return None if linear.bias is None else linear.bias.detach()
