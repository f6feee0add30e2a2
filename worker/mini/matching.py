"""Which symbol a picture shows and in which colours: the best match among all symbols, sizes and places.

A template splits the picture into three parts, the symbol, its ground and the rest of the page. A part's misfit is the
squared distance of its pixels to their mean, so that the colours need not be known to find the symbol. Pictures
are compared at `SIDE` pixels, where a drawing's soft edges weigh little.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from worker.mini import colours, logos
from worker.mini.symbols import SYMBOLS

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 64
# Scales relative to a medium symbol in a medium container; shifts in pixels at SIDE, right and down.
SCALES = (0.78, 0.84, 0.9, 0.96, 1.02, 1.08, 1.14, 1.2)
PLACES = {"none": (-2, -1, 0, 1, 2), "container": (-1, 0, 1)}


@dataclass(frozen=True)
class Match:
    """`colour` and `ground` are the named colours nearest to the medians of those pixels that the best template assigns
    to the symbol and to its container (or the page); `residual` is the root mean square misfit in units of 255.
    """

    symbol: str
    colour: str
    ground: str
    residual: float


@dataclass(frozen=True)
class Templates:
    """`inside` has a row for every symbol, scale and place: which of SIDE x SIDE pixels are the symbol's. `symbols` has
    the symbol of each row.
    """

    symbols: tuple[str, ...]
    inside: NDArray[np.float32]


@cache
def templates(container: str) -> Templates:
    names: list[str] = []
    rows: list[NDArray[np.bool_]] = []
    moves = PLACES.get(container, PLACES["container"])
    for symbol in SYMBOLS:
        middle = logos.place(symbol, container, 1)
        for scale in SCALES:
            shape = logos.Shape(symbol, container, 1, middle.radius, middle.scale * scale, 0, 0)
            _, body, detail = logos.layers(shape, SIDE)
            inside = (body > detail) & (body >= 128) & (detail < 128)  # noqa: PLR2004 - half covered
            for down in moves:
                rows.extend(np.roll(inside, (down, right), (0, 1)).ravel() for right in moves)
                names.extend(symbol for _ in moves)
    return Templates(tuple(names), np.array(rows, dtype=np.float32))


@cache
def _container(container: str) -> NDArray[np.bool_]:
    layer = logos.layers(logos.place("plus", container, 1), SIDE)[0]
    return np.asarray(layer.ravel() >= 128)  # noqa: PLR2004 - half covered


def match(picture: Image.Image, container: str) -> Match:
    """`picture` is square and shows `container`."""
    small = np.asarray(picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float32)
    pixels = small.reshape(-1, 3) / 255
    known = templates(container)
    within = _container(container)
    if container == "none":
        search = np.ones(len(pixels), dtype=bool)
    elif container == "ring":
        search = _ring_hole()
    else:
        search = within
    values = np.concatenate([pixels, (pixels**2).sum(1, keepdims=True), np.ones((len(pixels), 1))], axis=1)
    values = (values * search[:, None]).astype(np.float32)
    symbol = known.inside @ values
    ground = values.sum(0) - symbol
    misfit = _scatter(symbol) + _scatter(ground)
    best = int(misfit.argmin())
    inside = known.inside[best].astype(bool) & search
    behind = within if container == "ring" else ~_grown(known.inside[best].astype(bool)) & search
    residual = float(np.sqrt(max(misfit[best], 0) / search.sum() / 3))
    return Match(known.symbols[best], _median(small, _core(inside)), _median(small, _core(behind)), residual)


def sharpness(picture: Image.Image) -> float:
    """The 99th percentile of the brightness steps between neighbours, from 0 to 1: a clean edge between contrasting
    colours is crossed in one or two pixels, a blurred one in many.
    """
    grey = np.asarray(picture.convert("L"), dtype=np.float32) / 255
    steps = np.concatenate([np.abs(np.diff(grey, axis=axis)).ravel() for axis in (0, 1)])
    span = float(np.percentile(grey, 99.5) - np.percentile(grey, 0.5))
    return float(np.percentile(steps, 99)) / max(span, 1e-3)


@cache
def _ring_hole() -> NDArray[np.bool_]:
    shape = logos.place("plus", "circle", 1)
    hole = logos.Shape(shape.symbol, shape.container, 1, shape.radius * 0.8, shape.scale, 0, 0)
    return np.asarray(logos.layers(hole, SIDE)[0].ravel() >= 128)  # noqa: PLR2004 - half covered


def _scatter(sums: NDArray[np.float32]) -> NDArray[np.float32]:
    """The misfit of parts; rows of red, green, blue, the squares and the count, each summed over a part."""
    count = np.maximum(sums[:, 4], 1)
    return np.asarray(sums[:, 3] - (sums[:, :3] ** 2).sum(1) / count)


def _grown(part: NDArray[np.bool_]) -> NDArray[np.bool_]:
    square = part.reshape(SIDE, SIDE)
    moved = [np.roll(square, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return np.asarray(np.any(moved, axis=0).ravel())


def _core(part: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The part without its rim, or the whole part if it is nearly all rim."""
    core = ~_grown(~part)
    return core if core.sum() >= 8 else part  # noqa: PLR2004 - enough for a median


def _median(small: NDArray[np.float32], part: NDArray[np.bool_]) -> str:
    return colours.nearest(np.median(small.reshape(-1, 3)[part], axis=0))
