"""The passes between FLUX's matrix products, in Triton. A program reads a whole row into registers, does all that is to
be done with it, and writes it once: these passes are bound by memory. `rows.py` calls them, and has the same in torch.

Imported where there is a card only. `length` is T, `width` is W unless a kernel says otherwise; strides are in numbers.
The scale of a quantized row is its largest magnitude / LARGEST (linears.py).

Triton's maximum, minimum and max leave NaN out unless they are told otherwise. A row that is not finite has a scale
that is not finite (`_most`, `_unit`), whatever its codes are: int8 has none for NaN and infinity, and what is
multiplied by the scale is NaN or infinite in the whole row of the output.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def add_norm(
    x, y, y_too, y_row_scale, y_col_scale, y_bias, gate, shift, scale, out, row_scale,
    length, width, x_batch, y_batch, y_row_scale_batch, eps,
    ADDS: tl.constexpr, ADDS_TOO: tl.constexpr, SCALES: tl.constexpr,
    LARGEST: tl.constexpr, ROUNDS: tl.constexpr, BLOCK: tl.constexpr, WHOLE: tl.constexpr,
):  # fmt: skip
    """x += gate * (y + y_too), or x += gate * (y * y_row_scale * y_col_scale + y_bias), in place.
    out = layer_norm(x) * (1 + scale) + shift, quantized where LARGEST > 0.

    A program for each row of x (B, T, W). The norm is that of x as stored, in x's dtype; `add` of rows.py says why fp16
    is clamped. A row is three blocks, because FLUX's W is 3 x 1024: in one of 4096 a quarter of the lanes would be
    idle. WHOLE: they are the row exactly.
    """
    row = tl.program_id(0).to(tl.int64)
    image, token = row // length, row % length
    here, at = x + image * x_batch + token * width, image * y_batch + token * width
    first = tl.arange(0, BLOCK)
    second, third = first + BLOCK, first + 2 * BLOCK
    unit = 1.0
    if SCALES:
        unit = tl.load(y_row_scale + image * y_row_scale_batch + token)
    a = _added(here, y + at, y_too + at, unit, y_col_scale, y_bias, gate, first, width, ADDS, ADDS_TOO, SCALES, WHOLE)
    b = _added(here, y + at, y_too + at, unit, y_col_scale, y_bias, gate, second, width, ADDS, ADDS_TOO, SCALES, WHOLE)
    c = _added(here, y + at, y_too + at, unit, y_col_scale, y_bias, gate, third, width, ADDS, ADDS_TOO, SCALES, WHOLE)
    mean = tl.sum(a + b + c, 0) / width
    a, b, c = a - mean, b - mean, c - mean
    if not WHOLE:
        a, b, c = tl.where(first < width, a, 0.0), tl.where(second < width, b, 0.0), tl.where(third < width, c, 0.0)
    inverse = tl.rsqrt(tl.sum(a * a + b * b + c * c, 0) / width + eps)
    a = a * inverse * (1 + _take(scale, first, width, WHOLE)) + _take(shift, first, width, WHOLE)
    b = b * inverse * (1 + _take(scale, second, width, WHOLE)) + _take(shift, second, width, WHOLE)
    c = c * inverse * (1 + _take(scale, third, width, WHOLE)) + _take(shift, third, width, WHOLE)
    if LARGEST > 0.0:
        unit = _unit(_most(_larger(tl.abs(a), _larger(tl.abs(b), tl.abs(c)))), LARGEST)
        tl.store(row_scale + row, unit)
        factor = 1.0 / unit
        a = _coded(a, factor, LARGEST, ROUNDS)
        b = _coded(b, factor, LARGEST, ROUNDS)
        c = _coded(c, factor, LARGEST, ROUNDS)
    _put(out + row * width, a, first, width, WHOLE)
    _put(out + row * width, b, second, width, WHOLE)
    _put(out + row * width, c, third, width, WHOLE)


@triton.jit
def _added(
    x, y, y_too, unit, y_col_scale, y_bias, gate, cols, width,
    ADDS: tl.constexpr, ADDS_TOO: tl.constexpr, SCALES: tl.constexpr, WHOLE: tl.constexpr,
):  # fmt: skip
    """The numbers of a row at `cols` with what add_norm adds, as they are stored; `unit`: the row's y_row_scale."""
    values = _take(x, cols, width, WHOLE)
    if ADDS:
        added = _take(y, cols, width, WHOLE)
        if ADDS_TOO:
            added += _take(y_too, cols, width, WHOLE)
        if SCALES:
            added = added * unit * _take(y_col_scale, cols, width, WHOLE) + _take(y_bias, cols, width, WHOLE)
        values += _take(gate, cols, width, WHOLE) * added
        if x.dtype.element_ty == tl.float16:
            values = tl.where(tl.abs(values) < float("inf"), tl.clamp(values, -65504.0, 65504.0), values)
        _put(x, values, cols, width, WHOLE)
        values = values.to(x.dtype.element_ty).to(tl.float32)
    return values


@triton.jit
def _take(source, cols, width, WHOLE: tl.constexpr):
    """The numbers at `cols` in float32; zeros from `width` on."""
    values = tl.load(source + cols) if WHOLE else tl.load(source + cols, mask=cols < width, other=0.0)
    return values.to(tl.float32)


@triton.jit
def _put(target, values, cols, width, WHOLE: tl.constexpr):
    if WHOLE:
        tl.store(target + cols, values.to(target.dtype.element_ty))
    else:
        tl.store(target + cols, values.to(target.dtype.element_ty), mask=cols < width)


@triton.jit
def quantize(
    before, x, out, row_scale,
    length, before_width, width, before_batch, x_batch, x_row,
    GELU: tl.constexpr, LARGEST: tl.constexpr, ROUNDS: tl.constexpr,
    BEFORE: tl.constexpr, BEFORE_REST: tl.constexpr, BLOCK: tl.constexpr, REST: tl.constexpr,
):  # fmt: skip
    """out * row_scale = [before, x], or [before, gelu(x)] with GELU's tanh formula; only x where BEFORE is 0.

    A program for each row; `width` is that of x. Blocks are powers of two, and one of 16384 for 12288 numbers (4 W)
    would leave a quarter of its lanes idle: so a row of x is read in two blocks, of BLOCK (8192) and REST (4096), and
    one of `before` in two of BEFORE (2048) and BEFORE_REST (1024).
    """
    row = tl.program_id(0).to(tl.int64)
    image, token = row // length, row % length
    source = x + image * x_batch + token * x_row
    rest = BLOCK + tl.arange(0, REST)
    first = tl.load(source + tl.arange(0, BLOCK)).to(tl.float32)
    second = tl.load(source + rest, mask=rest < width, other=0.0).to(tl.float32)
    cols = tl.arange(0, BEFORE if BEFORE > 0 else 1)
    more = BEFORE + tl.arange(0, BEFORE_REST if BEFORE > 0 else 1)
    if BEFORE > 0:
        at = before + image * before_batch + token * before_width
        one = tl.load(at + cols).to(tl.float32)
        two = tl.load(at + more, mask=more < before_width, other=0.0).to(tl.float32)
    if GELU:
        first = _gelu(first)
        second = _gelu(second)
    most = _larger(_most(first), _most(second))
    if BEFORE > 0:
        most = _larger(most, _larger(_most(one), _most(two)))
    unit = _unit(most, LARGEST)
    tl.store(row_scale + row, unit)
    factor = 1.0 / unit
    start = out + row * (before_width + width)
    if BEFORE > 0:
        tl.store(start + cols, _coded(one, factor, LARGEST, ROUNDS).to(out.dtype.element_ty))
        two = _coded(two, factor, LARGEST, ROUNDS)
        tl.store(start + more, two.to(out.dtype.element_ty), mask=more < before_width)
        start += before_width
    first, second = _coded(first, factor, LARGEST, ROUNDS), _coded(second, factor, LARGEST, ROUNDS)
    tl.store(start + tl.arange(0, BLOCK), first.to(out.dtype.element_ty))
    tl.store(start + rest, second.to(out.dtype.element_ty), mask=rest < width)


@triton.jit
def _gelu(values):
    return values * tl.sigmoid(1.5957691216057308 * (values + 0.044715 * values * values * values))


@triton.jit
def _larger(a, b):
    """NaN where either is: one instruction from compute capability 8.0 on."""
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def _most(values):
    """The largest magnitude of a row; NaN where one of them is."""
    return tl.reduce(tl.abs(values), 0, _larger)


@triton.jit
def _unit(most, LARGEST: tl.constexpr):
    """A row's scale, of its largest magnitude."""
    return _larger(most, 1e-12) / LARGEST


@triton.jit
def _coded(values, factor, LARGEST: tl.constexpr, ROUNDS: tl.constexpr):
    """Numbers to be converted. A conversion to e4m3 saturates by itself."""
    values = values * factor
    if ROUNDS:
        values = tl.floor(tl.minimum(tl.maximum(values, -LARGEST), LARGEST) + 0.5)
    return values


@triton.jit
def norm_rotate(
    qkv, out, weight_q, weight_k, cos, sin,
    length, out_batch, eps,
    HEADS: tl.constexpr, DIM: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """RMS norm and rotation of each head's query and key, a copy of its value: (B * T, 3 * W) to (B, T, 3, H, D).

    A program for each row, part (0: query, 1: key, 2: value) and GROUP heads. `out` may be `qkv` itself: then there is
    no program for the values.
    """
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
    """out = product * row_scale * col_scale + bias, of an int8 product's int32 sums (rows, width)."""
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
    """A byte of `codes` is two weights, the high half first: indices of `table`, times the scale of their block."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = at < count
    byte = tl.load(codes + at, mask=mask, other=0).to(tl.int32)
    unit = tl.load(scale + at * 2 // PER_SCALE, mask=mask, other=0.0).to(tl.float32)
    high, low = tl.load(table + (byte >> 4)).to(tl.float32), tl.load(table + (byte & 15)).to(tl.float32)
    tl.store(out + at * 2, (high * unit).to(out.dtype.element_ty), mask=mask)
    tl.store(out + at * 2 + 1, (low * unit).to(out.dtype.element_ty), mask=mask)
