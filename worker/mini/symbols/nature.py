"""Plants, the sky and the ground."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from worker.mini.symbols.pen import mirrored, spokes

if TYPE_CHECKING:
    from worker.mini.symbols.pen import Pen


def star(pen: Pen) -> None:
    pen.body.polygon(spokes(5, (1.0, 0.42)))
    pen.detail.polygon([(x * 0.5, y * 0.5) for x, y in spokes(5, (1.0, 0.42))])


def leaf(pen: Pen) -> None:
    pen.body.blob([(0.8, -0.9), (0.8, -0.9), (0.75, 0.1), (0.25, 0.7), (-0.45, 0.62), (-0.62, -0.05), (-0.1, -0.65)])
    pen.body.line([(-0.4, 0.45), (-0.85, 0.95)], 0.16)
    pen.detail.line([(-0.55, 0.62), (0.1, -0.05), (0.5, -0.5)], 0.1)
    pen.detail.line([(-0.12, 0.18), (0.32, 0.2)], 0.08)
    pen.detail.line([(0.12, -0.07), (0.1, -0.42)], 0.08)


def mountain(pen: Pen) -> None:
    pen.body.polygon([(-1, 0.8), (-0.2, -0.8), (0.22, 0.02), (0.45, -0.32), (1, 0.8)])
    pen.detail.polygon([(-0.2, -0.8), (0.04, -0.32), (-0.08, -0.2), (-0.22, -0.34), (-0.36, -0.16), (-0.46, -0.3)])


def flame(pen: Pen) -> None:
    pen.body.blob([
        (0.05, -1), (0.05, -1), (0.3, -0.5), (0.62, -0.02), (0.62, 0.5), (0.28, 0.92), (-0.28, 0.92), (-0.64, 0.5),
        (-0.6, 0.05), (-0.4, -0.2), (-0.32, 0.08), (-0.08, -0.3),
    ])  # fmt: skip
    pen.detail.blob([(0.06, -0.05), (0.06, -0.05), (0.3, 0.38), (0.22, 0.72), (-0.16, 0.72), (-0.26, 0.42)])


def drop(pen: Pen) -> None:
    pen.body.blob(
        [(0, -1), (0, -1), (0.38, -0.25), (0.62, 0.3), (0.4, 0.82), (-0.4, 0.82), (-0.62, 0.3), (-0.38, -0.25)]
    )
    pen.detail.arc(0, 0.3, 0.38, 100, 175, 0.12)


def tree(pen: Pen) -> None:
    pen.body.box(-0.12, 0.2, 0.12, 1)
    for x, y, radius in ((0, -0.5, 0.48), (-0.42, -0.1, 0.4), (0.42, -0.1, 0.4), (0, 0.05, 0.4)):
        pen.body.circle(x, y, radius)
    pen.detail.line([(0, 0.6), (0, -0.2)], 0.1)
    pen.detail.line([(0, 0.2), (0.25, -0.1)], 0.1)


def pine(pen: Pen) -> None:
    pen.body.box(-0.12, 0.6, 0.12, 1)
    for top, bottom, width in ((-1, -0.25, 0.46), (-0.6, 0.25, 0.62), (-0.15, 0.72, 0.8)):
        pen.body.polygon([(0, top), (width, bottom), (-width, bottom)])
    for y, width in ((-0.25, 0.3), (0.25, 0.42)):
        pen.detail.polygon([(-width, y), (width, y), (0, y + 0.12)])


def flower(pen: Pen) -> None:
    for x, y in spokes(6, (0.6,)):
        pen.body.circle(x, y, 0.38)
    pen.body.circle(0, 0, 0.5)
    pen.detail.circle(0, 0, 0.28)


def tulip(pen: Pen) -> None:
    pen.body.polygon([(-0.5, -0.85), (-0.25, -0.5), (0, -0.95), (0.25, -0.5), (0.5, -0.85), (0.5, -0.1), (-0.5, -0.1)])
    pen.body.ellipse(0, -0.1, 0.5, 0.32)
    pen.body.line([(0, 0), (0, 0.95)], 0.14)
    for side in (-1, 1):
        pen.body.blob(
            [(0, 0.9), (0, 0.9), (0.35 * side, 0.75), (0.6 * side, 0.3), (0.6 * side, 0.3), (0.18 * side, 0.5)]
        )
    pen.detail.line([(-0.2, -0.25), (0, -0.1), (0.2, -0.25)], 0.1)


def clover(pen: Pen) -> None:
    for x, y in ((0, -0.5), (-0.5, 0), (0.5, 0)):
        pen.body.circle(x, y, 0.42)
    pen.body.line([(0, 0), (0.08, 0.5), (0.3, 0.95)], 0.14)
    pen.detail.line([(0, -0.4), (0, 0.05), (-0.4, 0.0)], 0.08)
    pen.detail.line([(0, 0.05), (0.4, 0.0)], 0.08)


def sun(pen: Pen) -> None:
    pen.body.circle(0, 0, 0.46)
    for x, y in spokes(8, (1.0,)):
        pen.body.line([(x * 0.66, y * 0.66), (x * 0.92, y * 0.92)], 0.16)
    pen.detail.circle(0, 0, 0.26)


def moon(pen: Pen) -> None:
    pen.body.circle(-0.05, 0, 0.9)
    pen.cut.circle(0.35, -0.2, 0.72)
    for x, y, radius in ((-0.6, 0.15, 0.12), (-0.35, 0.5, 0.09)):
        pen.detail.circle(x, y, radius)


def cloud(pen: Pen) -> None:
    pen.body.circle(-0.5, 0.15, 0.4)
    pen.body.circle(0.02, -0.15, 0.52)
    pen.body.circle(0.55, 0.18, 0.37)
    pen.body.box(-0.5, 0.1, 0.55, 0.55)
    pen.detail.arc(0.02, -0.15, 0.32, 190, 280, 0.1)


def wave(pen: Pen) -> None:
    for y in (-0.45, 0.05, 0.55):
        pen.body.line([(x / 20, y + 0.16 * math.sin(x / 20 * 2 * math.pi)) for x in range(-19, 20)], 0.24)


def snowflake(pen: Pen) -> None:
    for x, y in spokes(6, (1.0,)):
        pen.body.line([(0, 0), (x * 0.92, y * 0.92)], 0.14)
        for side in (-1, 1):
            end = (x * 0.86 - side * y * 0.28, y * 0.86 + side * x * 0.28)
            pen.body.line([(x * 0.55, y * 0.55), end], 0.12)


def mushroom(pen: Pen) -> None:
    pen.body.box(-0.26, 0, 0.26, 0.9, 0.18)
    pen.body.ellipse(0, 0.05, 0.95, 0.9)
    pen.cut.box(-1, 0.12, -0.28, 1)
    pen.cut.box(0.28, 0.12, 1, 1)
    for x, y, radius in ((-0.42, -0.25, 0.16), (0.1, -0.5, 0.15), (0.5, -0.15, 0.14)):
        pen.detail.circle(x, y, radius)


def apple(pen: Pen) -> None:
    pen.body.blob(mirrored([(0, -0.4), (0.35, -0.52), (0.75, -0.3), (0.78, 0.25), (0.4, 0.9), (0.1, 0.85)]))
    pen.body.line([(0, -0.4), (0.06, -0.75)], 0.11)
    pen.body.blob([(0.1, -0.6), (0.1, -0.6), (0.25, -0.92), (0.58, -0.95), (0.58, -0.95), (0.42, -0.62)])
    pen.detail.arc(0, 0.15, 0.52, 170, 230, 0.12)


def cherry(pen: Pen) -> None:
    pen.body.circle(-0.48, 0.5, 0.42)
    pen.body.circle(0.5, 0.42, 0.42)
    pen.body.line([(-0.45, 0.2), (-0.2, -0.4), (0.2, -0.85), (0.35, -0.3), (0.5, 0.1)], 0.1)
    pen.body.blob([(0.2, -0.85), (0.2, -0.85), (0.5, -0.95), (0.85, -0.6), (0.85, -0.6), (0.5, -0.55)])
    pen.detail.circle(-0.6, 0.4, 0.12)
    pen.detail.circle(0.38, 0.32, 0.12)


def cactus(pen: Pen) -> None:
    pen.body.line([(0, -0.7), (0, 0.8)], 0.42)
    pen.body.line([(-0.68, -0.25), (-0.68, 0.15), (0, 0.15)], 0.26)
    pen.body.line([(0.68, -0.45), (0.68, 0.38), (0, 0.38)], 0.26)
    pen.detail.line([(0, -0.65), (0, 0.7)], 0.08)
