"""Linear layers with 8-bit and 4-bit weights, as plain modules: they move and save like any other. Why not torchao's
tensor subclasses: docs/decisions/0008-own-linears.md.

fp8 with scales
    A layer computes y = x w^T + b, with x (rows, in) and w (out, in). In fp8 (e4m3: a sign, 4 bits of exponent, 3 of
    mantissa; the largest number is 448, the smallest normal one 2^-6) the card multiplies twice as fast as in bf16. So
    narrow a range needs scales. Each row of x (a token) and each row of w (an output) has its own, in float32:

        scale = max |row| / 448
        code  = e4m3(row / scale)               so the row's largest number becomes 448, and nothing overflows

    w is quantized once, when it is loaded; x in the pass that writes it (rows.py). Neither scale depends on the index
    that the product sums over, so both are taken out of the sum:

        y[r, o] = scale_x[r] * scale_w[o] * sum over i of code_x[r, i] * code_w[o, i] + b[o]

    The sum is in float32 (on the card with cuBLAS's fast accumulation, which keeps fewer bits). `product` lets cuBLAS
    rescale it. `addend` leaves that to the pass that adds the output to the residual stream, because cuBLAS is up to a
    quarter faster without scales of rows.

    The error: 3 bits of mantissa round a number m 2^e, 1 <= m < 2, to a multiple of 2^e / 8. That is off by 2^-4 of the
    number at most, and by 2^e / (8 sqrt(12)) in the root mean square. m^2 averages about 2, so a tensor is off by
    1 / (8 sqrt(24)) = 2.6 % of its norm. The errors of x and of w are independent, so their squares add up: the output
    is off by sqrt(2) * 2.6 % = 3.6 % of its norm, however many inputs there are, because error and output grow alike.
    Measured on the CPU with normally distributed numbers, x (256, 3072), w (3072, 3072): 2.64 % of x, 3.73 % of y; with
    12288 inputs 3.74 % of y. Numbers under 1 / 28672 of their row's largest (2^-6 / 448) lose more, but count for
    little in the norm.

int8
    The same scales with 127 for 448, and sums in int32, for cards before compute capability 8.9; the product's kernel
    scales them (int8_product.py). The steps are equally
    wide everywhere, so one large number makes them coarse for its whole row. Measured as above: 1.20 % of y with 3072
    inputs, 1.31 % with 12288; less than fp8's because no number stands out among normally distributed ones.

nf4
    The 4-bit NormalFloat of QLoRA (Dettmers et al. 2023, https://arxiv.org/abs/2305.14314, appendix E): a weight is one
    of 16 values, spaced so that normally distributed weights use all of them about equally, times a scale for each 64
    weights, their largest magnitude. Weights are unpacked to the activations' dtype before each product, so this saves
    memory, not time. Measured as above: 9.2 % of y.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, cast

import torch
from torch import nn
from torch.nn import functional

from worker.flux.int8_product import LEAST_ROWS, Inputs, int8_product
from worker.flux.rows import TINY, Addend, Rows, Scales, quantize, to_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NF4_BLOCK = 64
# Per program of the kernel unpack_nf4.
BYTES_AT_ONCE = 1024
# The values of QLoRA's 4-bit NormalFloat (Dettmers et al. 2023, appendix E).
NF4 = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334),
    *(-0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
    *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
)


class QuantizedLinear(nn.Module):
    """`codes` (out, in) and `scale` (out, 1) of the weight."""

    weight = None  # transformers' T5 would cast its input to a weight's dtype
    row_format: torch.dtype | None = None  # what the input is quantized to; None: not at all
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
        codes, scale = quantize(linear.weight.detach(), cast("torch.dtype", cls.row_format))
        return cls(codes, scale, _bias(linear), linear.in_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = to_rows(x.reshape(1, -1, self.in_features), self.row_format)
        return self.product(rows, x.dtype).view(*x.shape[:-1], self.out_features)

    def product(self, rows: Rows, dtype: torch.dtype, out: torch.Tensor | None = None) -> torch.Tensor:
        """Rows (rows, in) of `row_format` to (rows, out) in `dtype`, with the bias. Written to `out` where it is given:
        on a card only.
        """
        raise NotImplementedError

    def split(self, width: int) -> tuple[Self, Self]:
        """A layer for the first `width` inputs and one for the others; their outputs add up to this layer's."""
        codes = torch.split(self.codes, [width, self.in_features - width], 1)
        first, second = (type(self)(part.contiguous(), self.scale, None, part.shape[1]) for part in codes)
        second.bias = self.bias
        return first, second


class Fp8Linear(QuantizedLinear):
    """Products in e4m3; needs compute capability 8.9."""

    row_format = torch.float8_e4m3fn
    one: torch.Tensor

    def __init__(self, codes: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None, width: int) -> None:
        super().__init__(codes, scale, bias, width)
        self.register_buffer("one", torch.ones((), device=codes.device), persistent=False)

    def addend(self, rows: Rows, shape: Sequence[int], gate: torch.Tensor, dtype: torch.dtype) -> Addend:
        """The unscaled sums, and the scales for the pass that adds them. Without scales of rows cuBLAS multiplies up to
        a quarter faster (docs/performance.md).

        :param rows: (B * T, in); `shape`: (B, T).
        :param gate: (1, out).
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

    def product(self, rows: Rows, dtype: torch.dtype, out: torch.Tensor | None = None) -> torch.Tensor:
        values, scale = rows.values, cast("torch.Tensor", rows.scale)
        if not values.is_cuda:
            sums = (values.float() @ self.codes.float().t() * scale * self.scale.t()).to(dtype)
            return sums if self.bias is None else sums + self.bias
        there = {} if out is None else {"out": out}
        return torch._scaled_mm(  # noqa: SLF001 - torch has no public name for it
            values,
            self.codes.t(),
            scale_a=scale,
            scale_b=self.scale.t(),
            bias=self.bias,
            out_dtype=dtype,
            use_fast_accum=True,
            **there,
        )


class Int8Linear(QuantizedLinear):
    """Products in int8, for cards without fp8."""

    row_format = torch.int8

    def product(self, rows: Rows, dtype: torch.dtype, out: torch.Tensor | None = None) -> torch.Tensor:
        values, scale = rows.values, cast("torch.Tensor", rows.scale)
        if values.is_cuda:
            return int8_product(Inputs(values, self.codes, scale, self.scale, self.bias), dtype, out)
        if len(values) < LEAST_ROWS:
            values = functional.pad(values, (0, 0, 0, LEAST_ROWS - len(values)))
        sums = torch._int_mm(values, self.codes.t())[: len(rows.values)]  # noqa: SLF001 - as above
        scaled = (sums.float() * scale * self.scale.t()).to(dtype)
        return scaled if self.bias is None else scaled + self.bias


class Nf4Linear(QuantizedLinear):
    """4-bit weights in blocks of 64 with a scale each (4.25 bits a weight); products in the activations' dtype."""

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

    def product(self, rows: Rows, dtype: torch.dtype, out: torch.Tensor | None = None) -> torch.Tensor:
        weight = self._weight(dtype)
        if out is None or self.bias is None:
            return functional.linear(rows.values, weight, self.bias)
        return torch.addmm(self.bias, rows.values, weight.t(), out=out)

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
        from worker.flux import kernels  # noqa: PLC0415 - Triton comes with torch for a card only

        out = torch.empty(shape, dtype=dtype, device=self.codes.device)
        count = self.codes.numel()
        grid = (-(-count // BYTES_AT_ONCE),)
        kernels.unpack_nf4[grid](self.codes, self.scale, self.table, out, count, NF4_BLOCK, BYTES_AT_ONCE)
        return out


KINDS: dict[str, Callable[[nn.Linear], QuantizedLinear]] = {
    "fp8": Fp8Linear.of,
    "int8": Int8Linear.of,
    "nf4": Nf4Linear.of,
}
# Of memory, with a weight's share of its scale: in 8 bits there is one for a few thousand weights.
BYTES_PER_WEIGHT = {"bf16": 2.0, "fp8": 1.002, "int8": 1.002, "nf4": 4.25 / 8}


def quantize_layers(module: nn.Module, kind: str) -> None:
    """Replaces the linear layers under `module`, except those whose shapes the card's kernels refuse: 8-bit products
    need multiples of 16, nf4 whole blocks.
    """
    make = KINDS[kind]
    unit = NF4_BLOCK if kind == "nf4" else 16
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear) and child.in_features % unit == 0 and child.out_features % 16 == 0:
                setattr(parent, name, make(child))


def _bias(linear: nn.Linear) -> torch.Tensor | None:
    return None if linear.bias is None else linear.bias.detach()
