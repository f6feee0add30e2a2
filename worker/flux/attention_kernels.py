"""The passes before an attention in fp8, in Triton, as fp8_attention.py calls them; it has the same in torch.

Imported where there is a card only. `length` is the number of an image's tokens in `product` (B * T_s, 3 * W).
"""

from __future__ import annotations

import triton
import triton.language as tl

from worker.flux.kernels import _larger


@triton.jit
def _normed(x, weight, eps, DIM: tl.constexpr):
    """RMS norm of the rows of x (rows, DIM), in float32."""
    return x * tl.rsqrt(tl.sum(x * x, 1) / DIM + eps)[:, None] * weight[None, :]


@triton.jit
def _rotated(x, c, s, ROWS: tl.constexpr, DIM: tl.constexpr):
    """`c` and `s` (1 or ROWS, DIM / 2)."""
    first, second = tl.split(tl.reshape(x, (ROWS, DIM // 2, 2)))
    return tl.reshape(tl.join(first * c - second * s, second * c + first * s), (ROWS, DIM))


@triton.jit
def key_centre(
    product, weight, cos, sin, centre, value_most,
    length, stride, eps,
    HEADS: tl.constexpr, DIM: tl.constexpr, SAMPLES: tl.constexpr,
):  # fmt: skip
    """centre (B, H, D): the mean of SAMPLES keys, one of `stride` tokens, normed and rotated. value_most (B, H) = 0.

    A program for each image and head.
    """
    image, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    dims, half = tl.arange(0, DIM), tl.arange(0, DIM // 2)
    tokens = tl.arange(0, SAMPLES) * stride
    mask = (tokens < length)[:, None]
    at = (image * length + tokens)[:, None] * (3 * HEADS * DIM) + (HEADS + head) * DIM + dims[None, :]
    keys = tl.load(product + at, mask=mask, other=0.0).to(tl.float32)
    angle = tokens[:, None] * (DIM // 2) + half[None, :]
    c, s = tl.load(cos + angle, mask=mask, other=0.0), tl.load(sin + angle, mask=mask, other=0.0)
    keys = _rotated(_normed(keys, tl.load(weight + dims).to(tl.float32), eps, DIM), c, s, SAMPLES, DIM)
    count = tl.sum((tokens < length).to(tl.float32), 0)
    tl.store(centre + (image * HEADS + head) * DIM + dims, tl.sum(keys, 0) / count)
    tl.store(value_most + image * HEADS + head, 0.0)


@triton.jit
def value_range(
    product, value_most, length,
    HEADS: tl.constexpr, DIM: tl.constexpr, GROUP: tl.constexpr, TOKENS: tl.constexpr,
):  # fmt: skip
    """Raises value_most (B, H) to the largest magnitude of each head's values; NaN stays where one is NaN.

    A program for each image, TOKENS tokens and GROUP heads. Magnitudes compare as their bits do, and the bits of NaN
    are above those of infinity, so the maximum is the same in any order.
    """
    image, start = tl.program_id(0).to(tl.int64), tl.program_id(1) * TOKENS
    heads = tl.program_id(2) * GROUP + tl.arange(0, GROUP)
    at = (2 * HEADS + heads[:, None]) * DIM + tl.arange(0, DIM)[None, :]
    most = tl.zeros((GROUP, DIM), dtype=tl.float32)
    for step in tl.static_range(TOKENS):
        row = product + (image * length + start + step) * (3 * HEADS * DIM)
        mask = (heads < HEADS)[:, None] & (start + step < length)
        most = _larger(most, tl.abs(tl.load(row + at, mask=mask, other=0.0).to(tl.float32)))
    bits = tl.reduce(most, 1, _larger).to(tl.int32, bitcast=True)
    tl.atomic_max((value_most + image * HEADS + heads).to(tl.pointer_type(tl.int32)), bits, mask=heads < HEADS)


@triton.jit
def norm_rotate_fp8(
    product, out, weight_q, weight_k, cos, sin, centre, value_most, value_unit,
    length, out_batch, eps, query_unit, key_unit,
    HEADS: tl.constexpr, DIM: tl.constexpr, GROUP: tl.constexpr, LARGEST: tl.constexpr,
):  # fmt: skip
    """Queries and keys normed and rotated, keys less `centre` (B, H, D), and values, as e4m3: (B * T_s, 3 * W) to
    (B, T_s, 3, H, D). value_unit (B, H) = value_most / LARGEST, the values' scales.

    A program for each row, part (0: query, 1: key, 2: value) and GROUP heads. The conversion would make 448 of
    infinity, so that becomes NaN first.
    """
    row = tl.program_id(0).to(tl.int64)
    image, token = row // length, row % length
    part = tl.program_id(1)
    heads = tl.program_id(2) * GROUP + tl.arange(0, GROUP)
    at = part * HEADS * DIM + heads[:, None] * DIM + tl.arange(0, DIM)[None, :]
    mask = (heads < HEADS)[:, None]
    x = tl.load(product + row * 3 * HEADS * DIM + at, mask=mask, other=0.0).to(tl.float32)
    if part == 2:
        unit = _larger(tl.load(value_most + image * HEADS + heads, mask=heads < HEADS, other=1.0), 1e-12) / LARGEST
        if token == 0:
            tl.store(value_unit + image * HEADS + heads, unit, mask=heads < HEADS)
        x = x * (1.0 / unit)[:, None]
    else:
        angle = token * (DIM // 2) + tl.arange(0, DIM // 2)
        c, s = tl.load(cos + angle)[None, :], tl.load(sin + angle)[None, :]
        if part == 0:
            weight = tl.load(weight_q + tl.arange(0, DIM)).to(tl.float32)
            x = _rotated(_normed(x, weight, eps, DIM), c, s, GROUP, DIM) * (1.0 / query_unit)
        else:
            weight = tl.load(weight_k + tl.arange(0, DIM)).to(tl.float32)
            x = _rotated(_normed(x, weight, eps, DIM), c, s, GROUP, DIM)
            x -= tl.load(centre + image * HEADS * DIM + at - HEADS * DIM, mask=mask, other=0.0)
            x = x * (1.0 / key_unit)
    x = tl.where(tl.abs(x) < float("inf"), x, float("nan"))
    there = out + image * out_batch + token * 3 * HEADS * DIM + at
    tl.store(there, x.to(out.dtype.element_ty), mask=mask)
