"""The int8 product of a card: with the scales in its own kernel, or cuBLAS's and a pass that scales its sums.

The sums are whole numbers, so every way and every tile gives the same result to the last bit. Which is the fastest
depends on the card, so they are timed at the first call of each shape, which is before a graph is captured; the choice
is kept (kept_choices.py).
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn import functional

from shared.observability.logging import get_logger
from worker.flux import kept_choices
from worker.flux.timing import median_milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable

log = get_logger(__name__)
# torch._int_mm refuses fewer rows.
LEAST_ROWS = 17
# Per program of the kernel scale_product.
COLUMNS_AT_ONCE = 1024
GROUP = 8


class Tile(NamedTuple):
    """A program's outputs (rows, columns) and how many inputs it reads at a time; `stages` of them are in flight."""

    rows: int
    columns: int
    depth: int
    warps: int
    stages: int

    @property
    def shared_bytes(self) -> int:
        """Of the processor's shared memory, at most."""
        return (self.rows + self.columns) * self.depth * self.stages


# 96, 72 and 144 KiB. Of compute capability 8.0 a program may have 163 KiB, of 8.6 and 8.9 99 KiB, of 9.0 227 KiB.
TILES = (Tile(128, 128, 128, 8, 3), Tile(64, 128, 128, 4, 3), Tile(128, 256, 128, 8, 3))
SUMS_APART = "cuBLAS"


class Inputs(NamedTuple):
    values: torch.Tensor  # (rows, in), int8
    codes: torch.Tensor  # (out, in), int8
    row_scale: torch.Tensor  # (rows, 1)
    col_scale: torch.Tensor  # (out, 1)
    bias: torch.Tensor | None


def int8_product(inputs: Inputs, dtype: torch.dtype, out: torch.Tensor | None = None) -> torch.Tensor:
    """(rows, out) in `dtype`. On a card only."""
    values, codes = inputs.values, inputs.codes
    if out is None:
        out = torch.empty(len(values), len(codes), dtype=dtype, device=values.device)
    shape = (len(values), len(codes), values.shape[1], dtype)
    if shape not in _chosen:
        ways = _ways(out.device)
        _chosen[shape] = ways[kept_choices.choose(f"int8 product {shape}", ways, lambda: _fastest(inputs, out))]
    _chosen[shape](inputs, out)
    return out


_chosen: dict[tuple[int, int, int, torch.dtype], Callable[[Inputs, torch.Tensor], None]] = {}


def _fastest(inputs: Inputs, out: torch.Tensor) -> str:
    ways = _ways(out.device)
    took = {name: median_milliseconds(partial(way, inputs, out), as_graph=False) for name, way in ways.items()}
    fastest = min(took, key=lambda name: took[name])
    log.info(
        "product.chosen",
        kernel=fastest,
        rows=len(out),
        outputs=out.shape[1],
        inputs=inputs.values.shape[1],
        milliseconds={name: round(time, 4) for name, time in took.items()},
    )
    return fastest


@lru_cache
def _ways(device: torch.device) -> dict[str, Callable[[Inputs, torch.Tensor], None]]:
    """Those that the card has the shared memory for, by name."""
    most = torch.cuda.get_device_properties(device).shared_memory_per_block_optin  # type: ignore[attr-defined] # unknown to its stub
    ways: dict[str, Callable[[Inputs, torch.Tensor], None]] = {SUMS_APART: sums_apart}
    for tile in tiles(most):
        ways[f"{tile.rows}x{tile.columns}"] = partial(in_one, tile=tile)
    return ways


def tiles(shared_bytes: int) -> list[Tile]:
    """Those that fit."""
    return [tile for tile in TILES if tile.shared_bytes <= shared_bytes]


def in_one(inputs: Inputs, out: torch.Tensor, tile: Tile) -> None:
    from worker.flux import int8_kernels  # noqa: PLC0415 - Triton comes with torch for a card only

    rows, outputs = out.shape
    int8_kernels.int8_product[(-(-rows // tile.rows) * -(-outputs // tile.columns),)](
        inputs.values,
        inputs.codes,
        out,
        inputs.row_scale,
        inputs.col_scale,
        inputs.col_scale if inputs.bias is None else inputs.bias,
        rows,
        outputs,
        inputs.values.shape[1],
        HAS_BIAS=inputs.bias is not None,
        ROWS=tile.rows,
        COLS=tile.columns,
        DEPTH=tile.depth,
        GROUP=GROUP,
        num_warps=tile.warps,
        num_stages=tile.stages,
    )


def sums_apart(inputs: Inputs, out: torch.Tensor) -> None:
    from worker.flux import kernels  # noqa: PLC0415 - as above

    rows, outputs = out.shape
    values = inputs.values
    if rows < LEAST_ROWS:
        values = functional.pad(values, (0, 0, 0, LEAST_ROWS - rows))
    kernels.scale_product[(rows, -(-outputs // COLUMNS_AT_ONCE))](
        torch._int_mm(values, inputs.codes.t()),  # noqa: SLF001 - torch has no public name for it
        out,
        inputs.row_scale,
        inputs.col_scale,
        inputs.col_scale if inputs.bias is None else inputs.bias,
        outputs,
        inputs.bias is not None,
        COLUMNS_AT_ONCE,
    )
