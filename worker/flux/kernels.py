"""What lies between FLUX's matrix products, in Triton: each is one pass over the rows, so that the card reads and
writes every activation as few times as possible. Imported where there is a card; `rows.py` calls them, and has
the same in torch.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def add_norm(
    x, y, y_too, y_row_scale, y_col_scale, y_bias, gate, shift, scale, out, row_scale,
    length, width, x_batch, y_batch, y_row_scale_batch, eps,
    ADDS: tl.constexpr, ADDS_TOO: tl.constexpr, SCALES: tl.constexpr,
    LARGEST: tl.constexpr, ROUNDS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """`x` += gate * (y + y_too), or gate * (y * its scales + bias), in place.

    out = layer_norm(x) * (1 + scale) + shift, quantized if LARGEST says so.
    """
    row = tl.program_id(0).to(tl.int64)
    image, token = row // length, row % length
    cols = tl.arange(0, BLOCK)
    mask = cols < width
    here = x + image * x_batch + token * width + cols
    values = tl.load(here, mask=mask, other=0.0).to(tl.float32)
    if ADDS:
        at = image * y_batch + token * width + cols
        added = tl.load(y + at, mask=mask, other=0.0).to(tl.float32)
        if ADDS_TOO:
            added += tl.load(y_too + at, mask=mask, other=0.0).to(tl.float32)
        if SCALES:
            added *= tl.load(y_row_scale + image * y_row_scale_batch + token)
            added *= tl.load(y_col_scale + cols, mask=mask, other=0.0)
            added += tl.load(y_bias + cols, mask=mask, other=0.0).to(tl.float32)
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
        normed = _coded(normed, 1.0 / unit, LARGEST, ROUNDS)
    tl.store(out + row * width + cols, normed.to(out.dtype.element_ty), mask=mask)


@triton.jit
def quantize(
    before, x, out, row_scale,
    length, before_width, width, before_batch, x_batch, x_row,
    GELU: tl.constexpr, LARGEST: tl.constexpr, ROUNDS: tl.constexpr,
    BEFORE: tl.constexpr, BLOCK: tl.constexpr, REST: tl.constexpr,
):  # fmt: skip
    """`out` * row_scale = `before` (none where BEFORE is 0) and beside it x, or gelu(x) by its tanh formula.

    A row of x is read as BLOCK and REST numbers: 12288 are 8192 and 4096, no lane is idle.
    """
    row = tl.program_id(0).to(tl.int64)
    image, token = row // length, row % length
    source = x + image * x_batch + token * x_row
    rest = BLOCK + tl.arange(0, REST)
    first = tl.load(source + tl.arange(0, BLOCK)).to(tl.float32)
    second = tl.load(source + rest, mask=rest < width, other=0.0).to(tl.float32)
    if GELU:
        first = _gelu(first)
        second = _gelu(second)
    most = tl.maximum(tl.max(tl.abs(first), 0), tl.max(tl.abs(second), 0))
    start = out + row * (before_width + width)
    cols = tl.arange(0, BEFORE if BEFORE > 0 else 1)
    if BEFORE > 0:
        at = before + image * before_batch + token * before_width + cols
        values = tl.load(at, mask=cols < before_width, other=0.0).to(tl.float32)
        most = tl.maximum(most, tl.max(tl.abs(values), 0))
    unit = tl.maximum(most, 1e-12) / LARGEST
    tl.store(row_scale + row, unit)
    factor = 1.0 / unit
    if BEFORE > 0:
        coded = _coded(values, factor, LARGEST, ROUNDS)
        tl.store(start + cols, coded.to(out.dtype.element_ty), mask=cols < before_width)
        start += before_width
    first, second = _coded(first, factor, LARGEST, ROUNDS), _coded(second, factor, LARGEST, ROUNDS)
    tl.store(start + tl.arange(0, BLOCK), first.to(out.dtype.element_ty))
    tl.store(start + rest, second.to(out.dtype.element_ty), mask=rest < width)


@triton.jit
def _gelu(values):
    return values * tl.sigmoid(1.5957691216057308 * (values + 0.044715 * values * values * values))


@triton.jit
def _coded(values, factor, LARGEST: tl.constexpr, ROUNDS: tl.constexpr):
    values = tl.minimum(tl.maximum(values * factor, -LARGEST), LARGEST)
    if ROUNDS:
        values = tl.floor(values + 0.5)
    return values


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
