"""Animals, most of them by their head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.mini.symbols.pen import mirrored

if TYPE_CHECKING:
    from worker.mini.symbols.pen import Pen


def fox(pen: Pen) -> None:
    pen.body.polygon(mirrored([(0.3, -0.35), (0.85, -0.95), (0.95, -0.05), (0.62, 0.42), (0.0, 0.95)]))
    pen.detail.polygon([(-0.92, 0.02), (-0.12, 0.55), (0, 0.95), (-0.62, 0.42)])
    pen.detail.polygon([(0.92, 0.02), (0.12, 0.55), (0, 0.95), (0.62, 0.42)])
    for side in (-1, 1):
        pen.detail.polygon([(0.72 * side, -0.65), (0.78 * side, -0.25), (0.5 * side, -0.35)])
        pen.detail.polygon([(0.2 * side, 0.12), (0.5 * side, -0.02), (0.42 * side, 0.2)])


def cat(pen: Pen) -> None:
    pen.body.ellipse(0, 0.2, 0.85, 0.7)
    for side in (-1, 1):
        pen.body.polygon([(0.8 * side, -0.95), (0.84 * side, 0.2), (0.15 * side, -0.42)])
        pen.detail.ellipse(0.36 * side, 0.1, 0.12, 0.16)
    pen.detail.polygon([(-0.12, 0.38), (0.12, 0.38), (0, 0.52)])
    pen.detail.line([(-0.2, 0.68), (0, 0.56), (0.2, 0.68)], 0.07)


def bear(pen: Pen) -> None:
    pen.body.ellipse(0, 0.15, 0.82, 0.75)
    for side in (-1, 1):
        pen.body.circle(0.62 * side, -0.55, 0.32)
        pen.detail.circle(0.62 * side, -0.55, 0.15)
        pen.detail.circle(0.32 * side, 0.0, 0.1)
    pen.detail.ellipse(0, 0.45, 0.34, 0.26)
    pen.undetail.ellipse(0, 0.38, 0.14, 0.1)


def rabbit(pen: Pen) -> None:
    pen.body.ellipse(0, 0.42, 0.62, 0.55)
    for side in (-1, 1):
        pen.body.ellipse(0.32 * side, -0.45, 0.22, 0.55)
        pen.detail.ellipse(0.32 * side, -0.45, 0.1, 0.36)
        pen.detail.circle(0.25 * side, 0.35, 0.09)
    pen.detail.polygon([(-0.1, 0.55), (0.1, 0.55), (0, 0.68)])


def owl(pen: Pen) -> None:
    pen.body.blob(mirrored([(0.0, -0.62), (0.72, -0.98), (0.72, -0.98), (0.78, 0.2), (0.4, 0.95), (0.1, 0.98)]))
    for side in (-1, 1):
        pen.detail.circle(0.34 * side, -0.28, 0.27)
        pen.undetail.circle(0.34 * side, -0.28, 0.13)
    pen.detail.polygon([(-0.1, -0.02), (0.1, -0.02), (0, 0.2)])
    pen.detail.arc(0, 0.2, 0.4, 50, 130, 0.09)


def bird(pen: Pen) -> None:
    pen.body.circle(0.45, -0.38, 0.3)
    pen.body.polygon([(0.65, -0.55), (1.0, -0.35), (0.65, -0.22)])
    pen.body.blob(
        [(0.7, -0.3), (0.62, 0.3), (0.1, 0.62), (-0.35, 0.5), (-0.98, 0.62), (-0.98, 0.62), (-0.5, 0.05), (0.2, -0.4)]
    )
    pen.body.blob([(0.3, 0.1), (0.3, 0.1), (-0.1, -0.5), (-0.75, -0.8), (-0.75, -0.8), (-0.5, -0.1), (-0.1, 0.25)])
    pen.detail.circle(0.5, -0.42, 0.09)
    pen.detail.line([(0.2, 0.15), (-0.15, 0.22), (-0.42, -0.02)], 0.08)


def fish(pen: Pen) -> None:
    pen.body.blob([(0.98, 0), (0.98, 0), (0.5, -0.45), (-0.1, -0.48), (-0.6, 0), (-0.6, 0), (-0.1, 0.48), (0.5, 0.45)])
    pen.body.polygon([(-0.4, 0), (-0.98, -0.5), (-0.82, 0), (-0.98, 0.5)])
    pen.detail.circle(0.55, -0.12, 0.1)
    pen.detail.arc(0.75, 0, 0.52, 140, 220, 0.08)


def whale(pen: Pen) -> None:
    pen.body.blob(
        [(-0.95, 0.1), (-0.6, -0.35), (0, -0.35), (0.45, 0.0), (0.72, -0.1), (0.75, 0.25), (0.4, 0.62), (-0.5, 0.62)]
    )
    pen.body.blob(
        [(0.7, 0.1), (0.7, 0.1), (0.4, -0.45), (0.4, -0.45), (0.75, -0.3), (1, -0.55), (1, -0.55), (0.85, 0.05)]
    )
    pen.body.line([(-0.45, -0.5), (-0.45, -0.72), (-0.65, -0.85)], 0.1)
    pen.body.line([(-0.45, -0.72), (-0.25, -0.85)], 0.1)
    pen.detail.circle(-0.6, 0.05, 0.08)
    pen.detail.line([(-0.9, 0.35), (-0.5, 0.42), (-0.1, 0.35)], 0.08)


def butterfly(pen: Pen) -> None:
    for side in (-1, 1):
        pen.body.blob(
            [(0.05 * side, 0), (0.3 * side, -0.65), (0.8 * side, -0.85), (0.9 * side, -0.4), (0.6 * side, 0.02)]
        )
        pen.body.blob([(0.05 * side, 0), (0.55 * side, 0.05), (0.78 * side, 0.4), (0.5 * side, 0.8), (0.2 * side, 0.5)])
        pen.body.line([(0, -0.4), (0.22 * side, -0.9)], 0.07)
        pen.detail.circle(0.55 * side, -0.42, 0.16)
        pen.detail.circle(0.46 * side, 0.4, 0.12)
    pen.body.line([(0, -0.45), (0, 0.65)], 0.16)


def paw(pen: Pen) -> None:
    pen.body.blob(mirrored([(0, -0.1), (0.38, 0.08), (0.62, 0.55), (0.42, 0.88), (0.1, 0.75)]))
    for x, y in ((-0.72, -0.05), (-0.28, -0.6), (0.28, -0.6), (0.72, -0.05)):
        pen.body.ellipse(x, y, 0.2, 0.28)
    pen.detail.ellipse(0, 0.45, 0.2, 0.16)


def snail(pen: Pen) -> None:
    pen.body.line([(-0.85, 0.72), (0.6, 0.72), (0.78, 0.1)], 0.3)
    for x in (0.62, 0.95):
        pen.body.line([(0.78, 0.1), (x, -0.35)], 0.09)
    pen.body.circle(-0.12, 0.05, 0.62)
    pen.detail.arc(-0.12, 0.05, 0.36, -60, 220, 0.1)
    pen.detail.circle(-0.12, 0.05, 0.12)
