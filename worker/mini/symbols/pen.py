"""The pen that a symbol is drawn with: a unit square from (-1, -1), top left, to (1, 1), on two layers.

`body` is the symbol, `cut` takes away from it, and `detail` is what a two-colour drawing fills with its second colour
and a one-colour drawing leaves open.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Sequence

Point = tuple[float, float]
INK = 255


@dataclass(frozen=True)
class Brush:
    """Draws in unit coordinates on one layer of `pixels` x `pixels`; `ink` is 255 to draw and 0 to take away."""

    layer: Image.Image
    ink: int
    centre: Point
    scale: float

    def polygon(self, points: Sequence[Point]) -> None:
        ImageDraw.Draw(self.layer).polygon([self._place(p) for p in points], fill=self.ink)

    def circle(self, x: float, y: float, radius: float) -> None:
        self.ellipse(x, y, radius, radius)

    def ellipse(self, x: float, y: float, rx: float, ry: float) -> None:
        corners = [self._place((x - rx, y - ry)), self._place((x + rx, y + ry))]
        ImageDraw.Draw(self.layer).ellipse(corners, fill=self.ink)

    def box(self, left: float, top: float, right: float, bottom: float, radius: float = 0) -> None:
        corners = [self._place((left, top)), self._place((right, bottom))]
        ImageDraw.Draw(self.layer).rounded_rectangle(corners, radius * self.scale, fill=self.ink)

    def line(self, points: Sequence[Point], width: float) -> None:
        """A stroke with round joints and ends."""
        placed = [self._place(p) for p in points]
        ImageDraw.Draw(self.layer).line(placed, fill=self.ink, width=max(1, round(width * self.scale)), joint="curve")
        for x, y in points:
            self.circle(x, y, width / 2)

    def arc(self, x: float, y: float, radius: float, start: float, end: float, width: float) -> None:  # noqa: PLR0913
        """A stroke along a circle; `start` and `end` in degrees, clockwise from the right."""
        steps = max(8, int(abs(end - start) / 4))
        angles = [math.radians(start + (end - start) * i / steps) for i in range(steps + 1)]
        self.line([(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles], width)

    def blob(self, points: Sequence[Point]) -> None:
        """The closed Catmull-Rom curve through `points`. A point given twice is a corner."""
        self.polygon(spline(points))

    def _place(self, point: Point) -> Point:
        return self.centre[0] + point[0] * self.scale, self.centre[1] + point[1] * self.scale


class Pen:
    """Layers of `pixels` x `pixels`; the unit square is centred at `centre`, `scale` pixels to its edge."""

    def __init__(self, pixels: int, centre: Point, scale: float) -> None:
        self._body, self._detail = Image.new("L", (pixels, pixels)), Image.new("L", (pixels, pixels))
        self.body = Brush(self._body, INK, centre, scale)
        self.cut = Brush(self._body, 0, centre, scale)
        self.detail = Brush(self._detail, INK, centre, scale)
        self.undetail = Brush(self._detail, 0, centre, scale)

    def layers(self) -> tuple[Image.Image, Image.Image]:
        """The body, and that part of the detail that lies on it."""
        return self._body, ImageChops.darker(self._body, self._detail)


def spline(points: Sequence[Point], steps: int = 12) -> list[Point]:
    curve = []
    for i in range(len(points)):
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = (points[(i + k) % len(points)] for k in (-1, 0, 1, 2))
        if (x1, y1) == (x2, y2):  # a corner: without this the curve would overshoot and loop
            continue
        for step in range(steps):
            t = step / steps
            curve.append((_catmull_rom(x0, x1, x2, x3, t), _catmull_rom(y0, y1, y2, y3, t)))
    return curve


def mirrored(right: Sequence[Point]) -> list[Point]:
    """The outline whose right half, from top to bottom, is `right`."""
    return [*right, *((-x, y) for x, y in reversed(right))]


def spokes(count: int, radii: Sequence[float], turn: float = -90) -> list[Point]:
    """`count` x len(`radii`) points about the centre, their distances taken in turn; `turn` in degrees."""
    total = count * len(radii)
    angles = [math.radians(turn + 360 * i / total) for i in range(total)]
    return [(radii[i % len(radii)] * math.cos(a), radii[i % len(radii)] * math.sin(a)) for i, a in enumerate(angles)]


def _catmull_rom(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t**3)
