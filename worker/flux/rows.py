"""What lies between FLUX's matrix products, on rows of (images, tokens, width): by kernels.py on a card, and by torch
on a processor, for tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

# The largest number of a format that rows are quantized to.
LARGEST = {torch.float8_e4m3fn: 448.0, torch.int8: 127.0}
TINY = 1e-12
HEADS_AT_ONCE = 8


class Rows(NamedTuple):
    """A matrix product's input (rows, width); quantized ones times `scale` (rows, 1) are the numbers."""

    values: torch.Tensor
    scale: torch.Tensor | None = None

    def after(self, start: int, tokens: int) -> Rows:
        """Of each image's `tokens`, those from `start` on."""
        if not start:
            return self
        values, scale = (part if part is None else _after(part, start, tokens) for part in self)
        return Rows(cast("torch.Tensor", values), scale)


def _after(part: torch.Tensor, start: int, tokens: int) -> torch.Tensor:
    return part.view(-1, tokens, part.shape[1])[:, start:].flatten(0, 1)


class Scales(NamedTuple):
    """What a product's sums are yet to be multiplied with: for each row (images, tokens) and each column (width,)."""

    rows: torch.Tensor
    columns: torch.Tensor
    bias: torch.Tensor  # (width,), added after it


class Addend(NamedTuple):
    """`gate` (1, width) times the sum of `products`, each (images, tokens, width); one alone may have `scales`."""

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
    takes: torch.dtype | None,
) -> Rows:
    """Adds to `x` in place; its layer norm times (1 + scale) plus shift, for a product that `takes` a format."""
    images, length, width = x.shape
    if not x.is_cuda:
        if addend:
            x.copy_(x.float() + addend.value())
        normed = functional.layer_norm(x.float(), (width,), eps=eps) * (1 + scale.float()) + shift.float()
        return _reference(normed.flatten(0, 1), x.dtype, takes)
    from worker.flux import kernels  # noqa: PLC0415 - Triton comes with torch for a card only

    rows = _empty(images * length, width, x, takes)
    products = addend.products if addend else (x,)
    scales = (addend.scales if addend else None) or Scales(x, x, x)
    kernels.add_norm[(images * length,)](
        x,
        products[0],
        products[-1],
        *scales,
        addend.gate if addend else x,
        shift,
        scale,
        rows.values,
        rows.scale,
        length,
        width,
        x.stride(0),
        products[0].stride(0),
        scales.rows.stride(0),
        eps,
        ADDS=addend is not None,
        ADDS_TOO=len(products) > 1,
        SCALES=scales.rows is not x,
        LARGEST=LARGEST[takes] if takes else 0.0,
        ROUNDS=takes is torch.int8,
        BLOCK=_power_of_two(width),
        num_warps=8,
    )
    return rows


def to_rows(
    x: torch.Tensor, takes: torch.dtype | None, *, gelu: bool = False, before: torch.Tensor | None = None
) -> Rows:
    """For a product that `takes` a format; `gelu`: of its tanh formula. `before`: stands before it in each row, as it
    is, (images, tokens, its width).
    """
    images, length, width = x.shape
    if takes is None or not x.is_cuda:
        values = functional.gelu(x, approximate="tanh") if gelu else x
        values = values if before is None else torch.cat([before, values], 2)
        return _reference(values.flatten(0, 1), x.dtype, takes)
    from worker.flux import kernels  # noqa: PLC0415

    more = 0 if before is None else before.shape[2]
    rows = _empty(images * length, more + width, x, takes)
    block = _power_of_two(width) // 2
    kernels.quantize[(images * length,)](
        x if before is None else before,
        x,
        rows.values,
        rows.scale,
        length,
        more,
        width,
        0 if before is None else before.stride(0),
        x.stride(0),
        x.stride(1),
        GELU=gelu,
        LARGEST=LARGEST[takes],
        ROUNDS=takes is torch.int8,
        BEFORE=_power_of_two(more) if more else 0,
        BLOCK=block,
        REST=_power_of_two(width - block),
        num_warps=8 if width > 4096 else 4,  # noqa: PLR2004 - measured on an H100
    )
    return rows


def norm_rotate(
    qkv: torch.Tensor, out: torch.Tensor, norms: Sequence[torch.nn.RMSNorm], cos: torch.Tensor, sin: torch.Tensor
) -> None:
    """Queries, keys and values (images * tokens, 3 * heads * dim) into `out` (images, tokens, 3, heads, dim): the first
    two normed in each head, and rotated by the angles (tokens, dim / 2). `out` may be `qkv`'s own memory.
    """
    images, length, _, heads, dim = out.shape
    eps = norms[0].eps or 0.0
    if not qkv.is_cuda:
        for part, source in enumerate(qkv.view(images, length, 3, heads, dim).unbind(2)):
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
    kernels.norm_rotate[(images * length, 2 if in_place else 3, -(-heads // HEADS_AT_ONCE))](
        qkv,
        out,
        norms[0].weight,
        norms[1].weight,
        cos,
        sin,
        length,
        out.stride(0),
        eps,
        HEADS=heads,
        DIM=dim,
        GROUP=HEADS_AT_ONCE,
        num_warps=2,
    )


def quantize(values: torch.Tensor, takes: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """(rows, width) to the format, and (rows, 1) of scales."""
    scale = values.abs().amax(-1, keepdim=True).float().clamp(min=TINY) / LARGEST[takes]
    scaled = (values.float() / scale).clamp(-LARGEST[takes], LARGEST[takes])
    return (scaled.round() if takes is torch.int8 else scaled).to(takes), scale


def _reference(values: torch.Tensor, dtype: torch.dtype, takes: torch.dtype | None) -> Rows:
    return Rows(values.to(dtype)) if takes is None else Rows(*quantize(values, takes))


def _empty(count: int, width: int, like: torch.Tensor, takes: torch.dtype | None) -> Rows:
    values = torch.empty(count, width, dtype=takes or like.dtype, device=like.device)
    return Rows(values, torch.empty(count, 1, dtype=torch.float32, device=like.device) if takes else None)


def _power_of_two(width: int) -> int:
    return 1 << (width - 1).bit_length()
