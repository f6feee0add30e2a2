"""The int8 product with its scales, in Triton, for int8_product.py. Imported where there is a card only."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def int8_product(
    x, w, out, row_scale, col_scale, bias,
    rows, outputs, inputs,
    HAS_BIAS: tl.constexpr, ROWS: tl.constexpr, COLS: tl.constexpr, DEPTH: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    """out (rows, outputs) = (x w^T) * row_scale * col_scale + bias: x (rows, inputs) and w (outputs, inputs) are int8,
    the sums int32, which hold 127 x 127 x 133,000 exactly.

    A program for each tile of ROWS x COLS outputs, which goes through the inputs DEPTH at a time. GROUP tiles below
    each other come before the next column of tiles, so that programs that run at once read the same weights.
    """
    tile = tl.program_id(0)
    down, across = tl.cdiv(rows, ROWS), tl.cdiv(outputs, COLS)
    first = tile // (GROUP * across) * GROUP
    high = min(down - first, GROUP)
    inside = tile % (GROUP * across)
    row = (first + inside % high) * ROWS + tl.arange(0, ROWS)
    col = inside // high * COLS + tl.arange(0, COLS)
    depth = tl.arange(0, DEPTH)
    # Tiles at the edge read some rows twice, which is cheaper than a mask in the loop.
    x_at = x + (row % rows).to(tl.int64)[:, None] * inputs + depth[None, :]
    w_at = w + (col % outputs).to(tl.int64)[None, :] * inputs + depth[:, None]
    sums = tl.zeros((ROWS, COLS), dtype=tl.int32)
    for start in range(0, inputs, DEPTH):
        mask = depth < inputs - start
        x_part = tl.load(x_at + start, mask=mask[None, :], other=0)
        w_part = tl.load(w_at + start, mask=mask[:, None], other=0)
        sums = tl.dot(x_part, w_part, sums, out_dtype=tl.int32)
    unit = tl.load(row_scale + row, mask=row < rows, other=0.0)[:, None]
    unit = unit * tl.load(col_scale + col, mask=col < outputs, other=0.0)[None, :]
    values = sums.to(tl.float32) * unit
    if HAS_BIAS:
        values += tl.load(bias + col, mask=col < outputs, other=0.0).to(tl.float32)[None, :]
    there = out + row.to(tl.int64)[:, None] * outputs + col[None, :]
    tl.store(there, values.to(out.dtype.element_ty), mask=(row < rows)[:, None] & (col < outputs)[None, :])
