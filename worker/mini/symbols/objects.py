"""Tools, buildings, vehicles and signs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from worker.mini.symbols.pen import mirrored, spokes

if TYPE_CHECKING:
    from worker.mini.symbols.pen import Pen


def bolt(pen: Pen) -> None:
    pen.body.polygon([(0.25, -1), (-0.6, 0.15), (-0.05, 0.15), (-0.25, 1), (0.6, -0.22), (0.05, -0.22)])


def heart(pen: Pen) -> None:
    pen.body.blob(
        mirrored([(0, -0.45), (0.25, -0.78), (0.72, -0.75), (0.95, -0.25), (0.6, 0.35), (0, 0.95), (0, 0.95)])
    )
    pen.detail.arc(-0.45, -0.28, 0.28, 175, 265, 0.12)


def shield(pen: Pen) -> None:
    pen.body.blob(
        mirrored(
            [
                (0, -0.95),
                (0, -0.95),
                (0.35, -0.78),
                (0.8, -0.7),
                (0.8, -0.7),
                (0.72, 0.1),
                (0.4, 0.65),
                (0, 0.95),
                (0, 0.95),
            ]
        )
    )
    pen.detail.line([(-0.35, 0), (-0.08, 0.28), (0.38, -0.28)], 0.16)


def cup(pen: Pen) -> None:
    pen.body.box(-0.75, -0.3, 0.45, 0.75, 0.3)
    pen.body.box(-0.75, -0.3, 0.45, 0.1)
    pen.body.arc(0.45, 0.15, 0.32, -90, 90, 0.15)
    for x in (-0.45, -0.15, 0.15):
        pen.body.line([(x, -0.5), (x + 0.08, -0.68), (x, -0.9)], 0.09)
    pen.detail.box(-0.6, -0.1, -0.48, 0.4, 0.06)


def book(pen: Pen) -> None:
    pen.body.polygon([(0, -0.45), (-0.95, -0.7), (-0.95, 0.5), (0, 0.75), (0.95, 0.5), (0.95, -0.7)])
    pen.detail.line([(0, -0.4), (0, 0.68)], 0.09)
    for y in (-0.35, -0.05, 0.25):
        pen.detail.line([(-0.75, y), (-0.25, y + 0.13)], 0.08)
        pen.detail.line([(0.75, y), (0.25, y + 0.13)], 0.08)


def gear(pen: Pen) -> None:
    pen.body.circle(0, 0, 0.7)
    for i in range(8):
        a, w = math.radians(45 * i), math.radians(11)
        pen.body.polygon([
            (0.6 * math.cos(a - 1.5 * w), 0.6 * math.sin(a - 1.5 * w)), (math.cos(a - w), math.sin(a - w)),
            (math.cos(a + w), math.sin(a + w)), (0.6 * math.cos(a + 1.5 * w), 0.6 * math.sin(a + 1.5 * w)),
        ])  # fmt: skip
    pen.cut.circle(0, 0, 0.3)


def key(pen: Pen) -> None:
    pen.body.circle(-0.5, 0, 0.45)
    pen.body.box(-0.2, -0.12, 0.98, 0.12)
    pen.body.box(0.45, 0, 0.6, 0.38)
    pen.body.box(0.8, 0, 0.98, 0.45)
    pen.cut.circle(-0.5, 0, 0.2)


def crown(pen: Pen) -> None:
    pen.body.polygon(
        [(-0.75, 0.65), (-0.95, -0.45), (-0.42, 0.05), (0, -0.75), (0.42, 0.05), (0.95, -0.45), (0.75, 0.65)]
    )
    for x, y in ((-0.92, -0.5), (0, -0.8), (0.92, -0.5)):
        pen.body.circle(x, y, 0.12)
    pen.detail.box(-0.72, 0.36, 0.72, 0.48)


def house(pen: Pen) -> None:
    pen.body.polygon([(0, -0.9), (0.98, 0.0), (-0.98, 0.0)])
    pen.body.box(-0.68, -0.1, 0.68, 0.85)
    pen.body.box(0.4, -0.8, 0.62, 0)
    pen.detail.box(-0.18, 0.25, 0.18, 0.85)


def umbrella(pen: Pen) -> None:
    pen.body.circle(0, 0.05, 0.92)
    pen.cut.box(-1, 0.05, 1, 1)
    for x in (-0.61, 0, 0.61):
        pen.cut.ellipse(x, 0.07, 0.27, 0.16)
    pen.body.line([(0, -0.2), (0, 0.72)], 0.11)
    pen.body.arc(0.17, 0.72, 0.17, 0, 180, 0.11)
    pen.body.line([(0, -0.8), (0, -0.95)], 0.1)


def anchor(pen: Pen) -> None:
    pen.body.circle(0, -0.72, 0.25)
    pen.cut.circle(0, -0.72, 0.11)
    pen.body.line([(0, -0.45), (0, 0.85)], 0.18)
    pen.body.line([(-0.42, -0.25), (0.42, -0.25)], 0.16)
    pen.body.arc(0, 0.12, 0.72, 10, 170, 0.18)
    for side in (-1, 1):
        pen.body.polygon([(0.95 * side, 0.4), (0.82 * side, -0.08), (0.45 * side, 0.2)])


def arrow(pen: Pen) -> None:
    pen.body.polygon([(-0.9, -0.25), (0.1, -0.25), (0.1, -0.7), (0.95, 0), (0.1, 0.7), (0.1, 0.25), (-0.9, 0.25)])


def bell(pen: Pen) -> None:
    pen.body.blob(mirrored([(0, -0.8), (0.42, -0.6), (0.55, 0.1), (0.85, 0.5), (0.85, 0.5), (0.3, 0.5)]))
    pen.body.circle(0, -0.8, 0.14)
    pen.body.ellipse(0, 0.68, 0.24, 0.22)
    pen.detail.box(-0.9, 0.42, 0.9, 0.52)


def diamond(pen: Pen) -> None:
    pen.body.polygon([(-0.55, -0.65), (0.55, -0.65), (0.98, -0.18), (0, 0.9), (-0.98, -0.18)])
    pen.detail.line([(-0.9, -0.18), (0.9, -0.18)], 0.07)
    pen.detail.line([(-0.36, -0.18), (0, 0.75), (0.36, -0.18), (0, -0.6), (-0.36, -0.18)], 0.07)


def eye(pen: Pen) -> None:
    pen.body.blob([(-1, 0), (-1, 0), (-0.45, -0.5), (0.45, -0.5), (1, 0), (1, 0), (0.45, 0.5), (-0.45, 0.5)])
    pen.detail.circle(0, 0, 0.38)
    pen.undetail.circle(0, 0, 0.2)


def camera(pen: Pen) -> None:
    pen.body.box(-0.95, -0.45, 0.95, 0.7, 0.16)
    pen.body.box(-0.35, -0.7, 0.35, -0.2, 0.1)
    pen.detail.circle(0, 0.12, 0.38)
    pen.undetail.circle(0, 0.12, 0.22)
    pen.detail.circle(0.7, -0.22, 0.09)


def rocket(pen: Pen) -> None:
    pen.body.blob(mirrored([(0, -1), (0, -1), (0.32, -0.5), (0.36, 0.1), (0.24, 0.5), (0.24, 0.5)]))
    pen.body.polygon([(0.3, -0.05), (0.75, 0.45), (0.7, 0.72), (0.2, 0.45)])
    pen.body.polygon([(-0.3, -0.05), (-0.75, 0.45), (-0.7, 0.72), (-0.2, 0.45)])
    pen.body.polygon([(-0.18, 0.6), (0.18, 0.6), (0, 1)])
    pen.detail.circle(0, -0.3, 0.16)


def boat(pen: Pen) -> None:
    pen.body.polygon([(-0.95, 0.35), (0.95, 0.35), (0.6, 0.8), (-0.6, 0.8)])
    pen.body.polygon([(0.06, -0.95), (0.06, 0.2), (0.8, 0.2)])
    pen.body.polygon([(-0.08, -0.65), (-0.08, 0.2), (-0.68, 0.2)])


def lock(pen: Pen) -> None:
    pen.body.arc(0, -0.3, 0.4, 180, 360, 0.2)
    pen.body.line([(-0.4, -0.3), (-0.4, 0)], 0.2)
    pen.body.line([(0.4, -0.3), (0.4, 0)], 0.2)
    pen.body.box(-0.7, -0.1, 0.7, 0.9, 0.14)
    pen.detail.circle(0, 0.3, 0.15)
    pen.detail.box(-0.07, 0.3, 0.07, 0.64)


def bulb(pen: Pen) -> None:
    pen.body.circle(0, -0.3, 0.62)
    pen.body.polygon([(-0.52, 0), (0.52, 0), (0.26, 0.5), (-0.26, 0.5)])
    pen.body.box(-0.26, 0.55, 0.26, 0.7, 0.06)
    pen.body.box(-0.18, 0.78, 0.18, 0.95, 0.06)
    pen.detail.line([(0, 0.35), (0, -0.02), (-0.2, -0.3)], 0.08)
    pen.detail.line([(0, -0.02), (0.2, -0.3)], 0.08)


def note(pen: Pen) -> None:
    pen.body.ellipse(-0.55, 0.62, 0.3, 0.24)
    pen.body.ellipse(0.5, 0.45, 0.3, 0.24)
    pen.body.box(-0.4, -0.7, -0.25, 0.62)
    pen.body.box(0.65, -0.9, 0.8, 0.45)
    pen.body.polygon([(-0.4, -0.75), (0.8, -0.95), (0.8, -0.6), (-0.4, -0.4)])


def hourglass(pen: Pen) -> None:
    pen.body.box(-0.7, -0.95, 0.7, -0.75, 0.08)
    pen.body.box(-0.7, 0.75, 0.7, 0.95, 0.08)
    pen.body.polygon([(-0.55, -0.75), (0.55, -0.75), (0.08, 0), (0.55, 0.75), (-0.55, 0.75), (-0.08, 0)])
    pen.detail.polygon([(-0.3, -0.62), (0.3, -0.62), (0, -0.2)])


def plane(pen: Pen) -> None:
    pen.body.polygon([(-1, -0.1), (1, -0.8), (0.45, 0.85), (0.05, 0.25)])
    pen.body.polygon([(-0.15, 0.15), (0.1, 0.3), (-0.2, 0.75)])
    pen.detail.polygon([(0.95, -0.75), (-0.15, 0.1), (-0.02, 0.22)])


def car(pen: Pen) -> None:
    pen.body.box(-0.98, -0.05, 0.98, 0.45, 0.14)
    pen.body.polygon([(-0.7, 0), (-0.42, -0.5), (0.35, -0.5), (0.7, 0)])
    for x in (-0.52, 0.52):
        pen.cut.circle(x, 0.45, 0.3)
        pen.body.circle(x, 0.45, 0.23)
    pen.detail.polygon([(-0.48, -0.05), (-0.32, -0.36), (-0.06, -0.36), (-0.06, -0.05)])
    pen.detail.polygon([(0.06, -0.05), (0.06, -0.36), (0.26, -0.36), (0.46, -0.05)])


def envelope(pen: Pen) -> None:
    pen.body.box(-0.95, -0.62, 0.95, 0.62, 0.1)
    pen.detail.line([(-0.88, -0.52), (0, 0.12), (0.88, -0.52)], 0.1)


def plus(pen: Pen) -> None:
    pen.body.box(-0.28, -0.9, 0.28, 0.9, 0.08)
    pen.body.box(-0.9, -0.28, 0.9, 0.28, 0.08)


def triangle(pen: Pen) -> None:
    pen.body.polygon([(0, -0.85), (0.95, 0.75), (-0.95, 0.75)])
    pen.detail.polygon([(0, -0.15), (0.38, 0.5), (-0.38, 0.5)])


def flag(pen: Pen) -> None:
    pen.body.line([(-0.7, -0.9), (-0.7, 0.92)], 0.15)
    pen.body.polygon([(-0.65, -0.85), (0.9, -0.85), (0.55, -0.35), (0.9, 0.15), (-0.65, 0.15)])


def chat(pen: Pen) -> None:
    pen.body.box(-0.95, -0.75, 0.95, 0.45, 0.35)
    pen.body.polygon([(-0.55, 0.3), (-0.05, 0.4), (-0.6, 0.95)])
    for x in (-0.45, 0, 0.45):
        pen.detail.circle(x, -0.15, 0.12)


def magnifier(pen: Pen) -> None:
    pen.body.circle(-0.25, -0.25, 0.65)
    pen.cut.circle(-0.25, -0.25, 0.43)
    pen.body.line([(0.28, 0.28), (0.82, 0.82)], 0.26)


def hammer(pen: Pen) -> None:
    pen.body.line([(-0.75, 0.85), (0.25, -0.3)], 0.2)
    pen.body.polygon([(-0.3, -0.6), (0.05, -0.95), (0.95, -0.05), (0.6, 0.3)])


def trophy(pen: Pen) -> None:
    pen.body.arc(0, -0.5, 0.68, 0, 180, 0.13)
    pen.body.polygon([(-0.52, -0.9), (0.52, -0.9), (0.42, 0), (0.12, 0.3), (-0.12, 0.3), (-0.42, 0)])
    pen.body.box(-0.1, 0.2, 0.1, 0.7)
    pen.body.box(-0.45, 0.68, 0.45, 0.92, 0.05)
    pen.detail.polygon([(x * 0.26, y * 0.26 - 0.45) for x, y in spokes(5, (1.0, 0.45))])
