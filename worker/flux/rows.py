"""The passes between FLUX's matrix products, over the rows of (B, T, W). On a card each is one Triton kernel of
kernels.py; on a CPU torch computes the same, which the tests compare with.

In all of them `row_format` is what the next product multiplies: fp8, int8, or None for the activations' own dtype.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

# The largest number of each format.
LARGEST = {torch.float8_e4m3fn: 448.0, torch.int8: 127.0}
# The least amax of a row, so that a row of zeros has a scale.
TINY = 1e-12
# Per program of the kernel norm_rotate.
HEADS_AT_ONCE = 8


class Rows(NamedTuple):
    """A matrix product's input (rows, in). Where quantized, it stands for `values * scale`, `scale` (rows, 1)."""

    values: torch.Tensor
    scale: torch.Tensor | None = None

    def from_token(self, start: int, tokens: int) -> Rows:
        """The rows of the tokens from `start` on; `tokens`: of each image."""
        if not start:
            return self
        values, scale = (part if part is None else _from_token(part, start, tokens) for part in self)
        return Rows(cast("torch.Tensor", values), scale)


def _from_token(part: torch.Tensor, start: int, tokens: int) -> torch.Tensor:
    return part.view(-1, tokens, part.shape[1])[:, start:].flatten(0, 1)


class Scales(NamedTuple):
    """What an fp8 product's sums are yet to be multiplied by, and the bias that is added after that."""

    rows: torch.Tensor  # (B, T)
    columns: torch.Tensor  # (W,)
    bias: torch.Tensor  # (W,)


class Addend(NamedTuple):
    """What the next pass adds to the residual stream: `gate` (1, W) times the sum of one or two `products` (B, T, W).

    A single product may be unscaled sums, with `scales`.
    """

    gate: torch.Tensor
    products: Sequence[torch.Tensor]
    scales: Scales | None = None

    def value(self) -> torch.Tensor:
        """In float32."""
        total = torch.stack([part.float() for part in self.products]).sum(0)
        if self.scales:
            total = total * self.scales.rows[..., None] * self.scales.columns + self.scales.bias.float()
        return self.gate.float() * total


def add_norm(  # noqa: PLR0913 - as FLUX's blocks have it: what is added, and the norm's three numbers
    x: torch.Tensor,
    addend: Addend | None,
    shift: torch.Tensor,
    scale: torch.Tensor,
    eps: float,
    row_format: torch.dtype | None,
) -> Rows:
    """Adds `addend` to `x` (B, T, W) in place, and returns layer_norm(x) * (1 + scale) + shift as rows (B * T, W).

    :param shift: (1, W), as `scale`.
    """
    images, tokens, width = x.shape
    if not x.is_cuda:
        if addend:
            add(x, addend)
        normed = functional.layer_norm(x.float(), (width,), eps=eps) * (1 + scale.float()) + shift.float()
        return _reference(normed.flatten(0, 1), x.dtype, row_format)
    from worker.flux import kernels  # noqa: PLC0415 - Triton comes with torch for a card only

    rows = _empty(images * tokens, width, x, row_format)
    products = addend.products if addend else (x,)
    scales = (addend.scales if addend else None) or Scales(x, x, x)
    kernels.add_norm[(images * tokens,)](
        x,
        products[0],
        products[-1],
        *scales,
        addend.gate if addend else x,
        shift,
        scale,
        rows.values,
        rows.scale,
        tokens,
        width,
        x.stride(0),
        products[0].stride(0),
        scales.rows.stride(0),
        eps,
        ADDS=addend is not None,
        ADDS_TOO=len(products) > 1,
        SCALES=scales.rows is not x,
        LARGEST=LARGEST[row_format] if row_format else 0.0,
        ROUNDS=row_format is torch.int8,
        BLOCK=(block := _power_of_two(-(-width // 3))),
        WHOLE=3 * block == width,
        num_warps=4,
    )
    return rows


def add(x: torch.Tensor, addend: Addend) -> None:
    """Adds `addend` to `x` (B, T, W) in place. In fp16 a finite sum stays finite, as in diffusers' blocks: some of
    FLUX's text tokens exceed its range. What is infinite before stays so.
    """
    if x.dtype is not torch.float16:
        x.add_(addend.value())
        return
    total, most = x.float() + addend.value(), torch.finfo(x.dtype).max
    x.copy_(torch.where(total.isfinite(), total.clamp(-most, most), total))


def to_rows(
    x: torch.Tensor, row_format: torch.dtype | None, *, gelu: bool = False, before: torch.Tensor | None = None
) -> Rows:
    """`x` (B, T, width) as rows (B * T, width), after a GELU (tanh formula) where asked for.

    :param before: (B, T, its width), stands before `x` in each row, without the GELU.
    """
    images, tokens, width = x.shape
    if row_format is None or not x.is_cuda:
        values = functional.gelu(x, approximate="tanh") if gelu else x
        values = values if before is None else torch.cat([before, values], 2)
        return _reference(values.flatten(0, 1), x.dtype, row_format)
    from worker.flux import kernels  # noqa: PLC0415

    more = 0 if before is None else before.shape[2]
    rows = _empty(images * tokens, more + width, x, row_format)
    block, block_before = (_power_of_two(number) // 2 for number in (width, more))
    kernels.quantize[(images * tokens,)](
        x if before is None else before,
        x,
        rows.values,
        rows.scale,
        tokens,
        more,
        width,
        0 if before is None else before.stride(0),
        x.stride(0),
        x.stride(1),
        GELU=gelu,
        LARGEST=LARGEST[row_format],
        ROUNDS=row_format is torch.int8,
        BEFORE=block_before,
        BEFORE_REST=_power_of_two(more - block_before) if more else 0,
        BLOCK=block,
        REST=_power_of_two(width - block),
        num_warps=8 if width > 4096 else 4,  # noqa: PLR2004 - measured on an H100
    )
    return rows


def norm_rotate(
    qkv: torch.Tensor, out: torch.Tensor, norms: Sequence[torch.nn.RMSNorm], cos: torch.Tensor, sin: torch.Tensor
) -> None:
    """Writes `qkv` (B * T, 3 * W) into `out` (B, T, 3, H, D), which may be the same memory: queries and keys with an
    RMS norm over each head and rotated, values as they are.

    :param norms: of queries and of keys.
    :param cos: (T, D / 2), as `sin`.
    """
    images, tokens, _, heads, dim = out.shape
    eps = norms[0].eps or 0.0
    if not qkv.is_cuda:
        for part, source in enumerate(qkv.view(images, tokens, 3, heads, dim).unbind(2)):
            if part < len(norms):
                normed = functional.rms_norm(source.float(), (dim,), norms[part].weight.float(), eps)
                first, second = normed[..., ::2], normed[..., 1::2]
                c, s = cos[:, None], sin[:, None]
                out[:, :, part] = torch.stack([first * c - second * s, second * c + first * s], -1).flatten(-2)
            else:
                out[:, :, part] = source
        return
    from worker.flux import kernels  # noqa: PLC0415

    in_place = out.data_ptr() == qkv.data_ptr()
    kernels.norm_rotate[(images * tokens, 2 if in_place else 3, -(-heads // HEADS_AT_ONCE))](
        qkv,
        out,
        norms[0].weight,
        norms[1].weight,
        cos,
        sin,
        tokens,
        out.stride(0),
        eps,
        HEADS=heads,
        DIM=dim,
        GROUP=HEADS_AT_ONCE,
        num_warps=2,
    )


def quantize(values: torch.Tensor, row_format: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """(rows, width) as numbers of `row_format`, and their scales (rows, 1), float32."""
    scale = values.abs().amax(-1, keepdim=True).float().clamp(min=TINY) / LARGEST[row_format]
    scaled = (values.float() / scale).clamp(-LARGEST[row_format], LARGEST[row_format])
    return (scaled.round() if row_format is torch.int8 else scaled).to(row_format), scale


def _reference(values: torch.Tensor, dtype: torch.dtype, row_format: torch.dtype | None) -> Rows:
    return Rows(values.to(dtype)) if row_format is None else Rows(*quantize(values, row_format))


def _empty(count: int, width: int, like: torch.Tensor, row_format: torch.dtype | None) -> Rows:
    values = torch.empty(count, width, dtype=row_format or like.dtype, device=like.device)
    return Rows(values, torch.empty(count, 1, dtype=torch.float32, device=like.device) if row_format else None)


def _power_of_two(width: int) -> int:
    return 1 << (width - 1).bit_length() if width else 0
