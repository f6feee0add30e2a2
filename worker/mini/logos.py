"""The procedural logos: a shape (symbol, container, place), the colours and style it is painted in, and its layers.

Layers have no colours, so one rendered shape serves many logos.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from worker.mini import colours
from worker.mini.containers import CONTAINERS, ROOM, draw_container
from worker.mini.symbols import LETTERS, PICTURES, draw_symbol
from worker.mini.symbols.pen import Pen

if TYPE_CHECKING:
    from random import Random

    from numpy.typing import NDArray

PIXELS = 256
SUPERSAMPLING = 4
LAYERS = ("container", "body", "detail")
# The ratio of a symbol's half width to its room: small, medium, large.
SIZES = (0.72, 0.86, 1.0)
SIZE_NAMES = ("small", "medium", "large")
STYLES = ("one-colour", "two-colour", "gradient")
# The least distance of two colours in a logo (OKLab).
SYMBOL_CONTRAST, PAGE_CONTRAST = 0.16, 0.1
PLAIN_PAGES = ("white", "light gray", "dark gray", "black")
HELD_OUT_IN = 8


@dataclass(frozen=True)
class Shape:
    """Lengths in half widths of the picture: the container's `radius`, the symbol's `scale`, the middle `x`, `y`."""

    symbol: str
    container: str
    size: int
    radius: float
    scale: float
    x: float
    y: float


@dataclass(frozen=True)
class Logo:
    """`ground` is the container's colour, or the page's where there is no container. `second` is the second colour of a
    two-colour style, or the lower end of a gradient.
    """

    shape: Shape
    style: str
    colour: str
    ground: str
    page: str
    second: str | None = None


def held_out(symbol: str, colour: str, container: str) -> bool:
    """One in `HELD_OUT_IN` of these combinations is never trained on, whatever the other colours."""
    return zlib.crc32(f"{symbol}/{colour}/{container}".encode()) % HELD_OUT_IN == 0


def draw_shape(rng: Random) -> Shape:
    symbol = rng.choice(LETTERS) if rng.random() < 0.25 else rng.choice(PICTURES)  # noqa: PLR2004 - letters are simpler
    container = "none" if rng.random() < 0.3 else rng.choice(CONTAINERS[1:])  # noqa: PLR2004 - the usual case
    return place(symbol, container, rng.randrange(len(SIZES)), rng)


def place(symbol: str, container: str, size: int, rng: Random | None = None) -> Shape:
    """The shape with random radius, scale and middle; without `rng`, with the mean of each."""
    jitter = rng.uniform if rng else lambda low, high: (low + high) / 2
    bare = container == "none"
    radius = jitter(0.8, 0.9)
    scale = SIZES[size] * ROOM[container][0] * radius * (0.92 if bare else 1) * jitter(0.96, 1.04)
    shift = 0.06 if bare else 0.03
    return Shape(symbol, container, size, radius, scale, jitter(-shift, shift), jitter(-shift, shift))


def draw_logo(shape: Shape, rng: Random) -> Logo:
    """A random training logo of this shape: its combination is not held out, and its colours have enough contrast."""
    while True:
        colour, ground = rng.choice(colours.NAMES), rng.choice(colours.NAMES)
        if shape.container == "none" and rng.random() < 0.5:  # noqa: PLR2004 - the usual case
            ground = plain_page(colour)
        if held_out(shape.symbol, colour, shape.container) or colours.contrast(colour, ground) < SYMBOL_CONTRAST:
            continue
        page = page_for(shape.container, colour, ground)
        if shape.container != "none" and rng.random() < 0.2:  # noqa: PLR2004 - named pages are rare
            page = rng.choice(colours.NAMES)
            if colours.contrast(page, ground) < SYMBOL_CONTRAST or colours.contrast(page, colour) < SYMBOL_CONTRAST:
                continue
        style = rng.choices(STYLES, (0.66, 0.2 if has_detail(shape.symbol) else 0, 0.14))[0]
        second = None
        if style != "one-colour":
            second = rng.choice(colours.NAMES)
            behind = page if shape.container == "ring" else ground
            if min(colours.contrast(second, colour), colours.contrast(second, behind)) < SYMBOL_CONTRAST:
                continue
        return Logo(shape, style, colour, ground, page, second)


@cache
def has_detail(symbol: str) -> bool:
    pen = Pen(64, (32, 32), 30)
    draw_symbol(symbol, pen)
    return pen.layers()[1].getbbox() is not None


def plain_page(*on_it: str, least: float = SYMBOL_CONTRAST) -> str:
    return next(page for page in PLAIN_PAGES if all(colours.contrast(page, colour) >= least for colour in on_it))


def page_for(container: str, colour: str, ground: str) -> str:
    """The page colour for a prompt that names none."""
    if container == "none":
        return ground
    pages = [page for page in PLAIN_PAGES if colours.contrast(page, ground) >= PAGE_CONTRAST]
    if container != "ring":
        return pages[0]
    return next(page for page in pages if colours.contrast(page, colour) >= SYMBOL_CONTRAST)


def layers(shape: Shape, pixels: int = PIXELS) -> NDArray[np.uint8]:
    """Coverage of the container, the symbol's body and its detail: (3, pixels, pixels), 255 is full."""
    side = pixels * SUPERSAMPLING
    half = side / 2
    centre = (half * (1 + shape.x), half * (1 + shape.y))
    container = Pen(side, centre, half * shape.radius)
    draw_container(shape.container, container)
    lift = ROOM[shape.container][1] * shape.radius
    symbol = Pen(side, (centre[0], centre[1] + half * lift), half * shape.scale)
    draw_symbol(shape.symbol, symbol)
    drawn = [container.layers()[0], *symbol.layers()]
    return np.stack([np.asarray(layer.reduce(SUPERSAMPLING)) for layer in drawn])


def palette(logo: Logo) -> NDArray[np.uint8]:
    """(5, 3): the page, the container, the symbol's top and bottom, its detail."""
    behind = logo.page if logo.shape.container == "ring" else logo.ground
    bottom = logo.second if logo.style == "gradient" and logo.second else logo.colour
    detail = logo.second if logo.style == "two-colour" and logo.second else behind
    names = (logo.page, logo.ground, logo.colour, bottom, detail)
    return np.array([colours.NAMED[name] for name in names], dtype=np.uint8)


def extent(shape: Shape) -> tuple[float, float]:
    """Where a gradient begins and ends, from 0 at the top of the picture to 1 at its bottom."""
    middle = (1 + shape.y + ROOM[shape.container][1] * shape.radius) / 2
    return middle - shape.scale / 2, middle + shape.scale / 2
