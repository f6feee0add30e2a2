"""The width and height of a picture, and the aspects in which it can be asked for. Standard library only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

# Of all pictures: edges in pixels, and the longer one as a multiple of the shorter one.
MIN_EDGE, MAX_EDGE = 64, 2048
MAX_RATIO = 4
# FLUX draws patches of 16 pixels.
PATCH = 16
WIDE = ("4:3", "3:2", "16:9", "2:1", "3:1", "4:1")
UPRIGHT = tuple(":".join(reversed(aspect.split(":"))) for aspect in WIDE)
ASPECTS = ("1:1", *WIDE, *UPRIGHT)
# An aspect alone means as many pixels as a square of this edge has, about.
USUAL_EDGE = 1024
# Oblongs' edges are rounded to this, so that those of one number of pixels have one edge.
ROUNDED_TO = 64


@dataclass(frozen=True, slots=True, order=True)
class Canvas:
    """`512` by name for a square, `1536x512` for any other."""

    width: int
    height: int

    @classmethod
    def of(cls, size: Canvas | int) -> Canvas:
        """A number is the edge of a square."""
        return cls(size, size) if isinstance(size, int) else size

    @classmethod
    def named(cls, name: str) -> Canvas:
        """:raises ValueError: `name` is neither a number nor two with an x between them."""
        width, _, height = name.partition("x")
        return cls(int(width), int(height or width))

    @classmethod
    def of_aspect(cls, aspect: str, edge: int = USUAL_EDGE) -> Canvas:
        """About as many pixels as a square of `edge`, in whole patches and MAX_EDGE wide at most.

        :param aspect: one of ASPECTS.
        """
        across, down = (int(part) for part in aspect.split(":"))
        if across < down:
            return cls.of_aspect(f"{down}:{across}", edge).turned
        short = _patches(edge * math.sqrt(down / across))
        long = _patches(short * across / down)
        if long > MAX_EDGE:
            long, short = MAX_EDGE, _patches(MAX_EDGE * down / across)
        return cls(long, short)

    def __str__(self) -> str:
        return str(self.width) if self.is_square else f"{self.width}x{self.height}"

    @property
    def turned(self) -> Canvas:
        return Canvas(self.height, self.width)

    @property
    def is_square(self) -> bool:
        return self.width == self.height

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @property
    def longest(self) -> int:
        return max(self.width, self.height)

    @property
    def ratio(self) -> float:
        return self.width / self.height

    @property
    def edge(self) -> int:
        """Of a square of about as many pixels."""
        if self.is_square:
            return self.width
        return max(ROUNDED_TO, ROUNDED_TO * round(math.sqrt(self.pixels) / ROUNDED_TO))

    @property
    def aspect(self) -> str:
        """The nearest of ASPECTS; 1:1 of a square only."""
        known = ASPECTS if self.is_square else WIDE if self.width > self.height else UPRIGHT
        return min(known, key=lambda aspect: self.away_from(Canvas.of_aspect(aspect)))

    def away_from(self, other: Canvas) -> float:
        """How far the aspects are from each other, whatever the pixels: 1 for the same, 2 for twice as wide or high."""
        return max(self.ratio / other.ratio, other.ratio / self.ratio)

    def holds(self, other: Canvas) -> bool:
        return self.width >= other.width and self.height >= other.height


@lru_cache
def shapes(edges: tuple[int, ...], aspect: str) -> tuple[Canvas, ...]:
    """Those of `aspect` with as many pixels as squares of `edges`, from small to large."""
    return tuple(sorted({Canvas.of_aspect(aspect, edge) for edge in edges}))


def _patches(pixels: float) -> int:
    return PATCH * max(1, round(pixels / PATCH))
