"""What lies between FLUX's matrix products, in Triton: each is one pass over the rows, so that the card reads and
writes every activation as few times as possible. Imported where there is a card; `worker/rows.py` calls them, and has
the same in torch.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def add_norm(
    x, y, y_too, gate, shift, scale, out, row_scale,
    length, width, x_batch, y_batch, eps,
    ADDS: tl.constexpr, ADDS_TOO: tl.constexpr, LARGEST: tl.constexpr, ROUNDS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """`x` += gate * (y + y_too) in place; out = layer_norm(x) * (1 + scale) + shift, quantized if LARGEST says so."""
    row = tl.program_id(0).to(tl.int64)
    cols = tl.arange(0, BLOCK)
    mask = cols < width
    here = x + (row // length) * x_batch + (row % length) * width + cols
    values = tl.load(here, mask=mask, other=0.0).to(tl.float32)
    if ADDS:
        at = (row // length) * y_batch + (row % length) * width + cols
        added = tl.load(y + at, mask=mask, other=0.0).to(tl.float32)
        if ADDS_TOO:
            added += tl.load(y_too + at, mask=mask, other=0.0).to(tl.float32)
        values += tl.load(gate + cols, mask=mask, other=0.0).to(tl.float32) * added
        stored = values.to(x.dtype.element_ty)
        tl.store(here, stored, mask=mask)
        values = stored.to(tl.float32)
    centred = tl.where(mask, values - tl.sum(values, 0) / width, 0.0)
    normed = centred * tl.rsqrt(tl.sum(centred * centred, 0) / width + eps)
    factor = 1 + tl.load(scale + cols, mask=mask, other=0.0).to(tl.float32)
    normed = normed * factor + tl.load(shift + cols, mask=mask, other=0.0).to(tl.float32)
    if LARGEST > 0.0:
        unit = tl.maximum(tl.max(tl.where(mask, tl.abs(normed), 0.0), 0), 1e-12) / LARGEST
        tl.store(row_scale + row, unit)
        normed = tl.minimum(tl.maximum(normed / unit, -LARGEST), LARGEST)
        if ROUNDS:
            normed = tl.floor(normed + 0.5)
    tl.store(out + row * width + cols, normed.to(out.dtype.element_ty), mask=mask)


@triton.jit
def quantize(
    x, out, row_scale, length, width, x_batch, x_row,
    GELU: tl.constexpr, LARGEST: tl.constexpr, ROUNDS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """`out` * row_scale = x, or gelu(x) by its tanh formula."""
    row = tl.program_id(0).to(tl.int64)
    cols = tl.arange(0, BLOCK)
    mask = cols < width
    at = (row // length) * x_batch + (row % length) * x_row + cols
    values = tl.load(x + at, mask=mask, other=0.0).to(tl.float32)
    if GELU:
        values *= tl.sigmoid(1.5957691216057308 * (values + 0.044715 * values * values * values))
    unit = tl.maximum(tl.max(tl.abs(values), 0), 1e-12) / LARGEST
    tl.store(row_scale + row, unit)
    values = tl.minimum(tl.maximum(values / unit, -LARGEST), LARGEST)
    if ROUNDS:
        values = tl.floor(values + 0.5)
    tl.store(out + row * width + cols, values.to(out.dtype.element_ty), mask=mask)


@triton.jit
def norm_rotate(
    qkv, out, weight_q, weight_k, cos, sin,
    length, out_batch, eps,
    HEADS: tl.constexpr, DIM: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """RMS norm of each head's query and key, and their rotation; a value is copied. `out` may be `qkv` itself."""
    row = tl.program_id(0).to(tl.int64)
    part = tl.program_id(1)
    heads = tl.program_id(2) * GROUP + tl.arange(0, GROUP)
    at = part * HEADS * DIM + heads[:, None] * DIM + tl.arange(0, DIM)[None, :]
    mask = (heads < HEADS)[:, None]
    x = tl.load(qkv + row * 3 * HEADS * DIM + at, mask=mask, other=0.0)
    there = out + (row // length) * out_batch + (row % length) * 3 * HEADS * DIM + at
    if part == 2:
        tl.store(there, x, mask=mask)
    else:
        if part == 0:
            weight = tl.load(weight_q + tl.arange(0, DIM)).to(tl.float32)
        else:
            weight = tl.load(weight_k + tl.arange(0, DIM)).to(tl.float32)
        values = x.to(tl.float32)
        values = values * tl.rsqrt(tl.sum(values * values, 1) / DIM + eps)[:, None] * weight[None, :]
        first, second = tl.split(tl.reshape(values, (GROUP, DIM // 2, 2)))
        angle = (row % length) * (DIM // 2) + tl.arange(0, DIM // 2)
        c, s = tl.load(cos + angle)[None, :], tl.load(sin + angle)[None, :]
        turned = tl.reshape(tl.join(first * c - second * s, second * c + first * s), (GROUP, DIM))
        tl.store(there, turned.to(x.dtype), mask=mask)


@triton.jit
def scale_product(product, out, row_scale, col_scale, bias, width, HAS_BIAS: tl.constexpr, BLOCK: tl.constexpr):
    """An int8 product's int32 sums, as the numbers that they stand for."""
    row = tl.program_id(0).to(tl.int64)
    cols = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mask = cols < width
    values = tl.load(product + row * width + cols, mask=mask, other=0).to(tl.float32)
    values *= tl.load(row_scale + row) * tl.load(col_scale + cols, mask=mask, other=0.0)
    if HAS_BIAS:
        values += tl.load(bias + cols, mask=mask, other=0.0).to(tl.float32)
    tl.store(out + row * width + cols, values.to(out.dtype.element_ty), mask=mask)


@triton.jit
def unpack_nf4(codes, scale, table, out, count, PER_SCALE: tl.constexpr, BLOCK: tl.constexpr):
    """Each byte is two weights, of `table`'s 16 values, times the scale of their block."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = at < count
    byte = tl.load(codes + at, mask=mask, other=0).to(tl.int32)
    unit = tl.load(scale + at * 2 // PER_SCALE, mask=mask, other=0.0).to(tl.float32)
    high, low = tl.load(table + (byte >> 4)).to(tl.float32), tl.load(table + (byte & 15)).to(tl.float32)
    tl.store(out + at * 2, (high * unit).to(out.dtype.element_ty), mask=mask)
    tl.store(out + at * 2 + 1, (low * unit).to(out.dtype.element_ty), mask=mask)
