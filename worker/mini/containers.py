"""The containers that a symbol may stand in. Each is drawn in the unit square of a `Brush`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.mini.symbols.pen import mirrored, spokes

if TYPE_CHECKING:
    from worker.mini.symbols.pen import Pen

# The key is the container's name and its first noun; a repeated noun is more frequent.
NOUNS: dict[str, tuple[str, ...]] = {
    "none": ("",),
    "circle": ("circle", "circle", "disc", "round badge", "round shape"),
    "ring": ("ring", "ring", "circle outline", "circular frame"),
    "rounded square": ("rounded square", "rounded square", "square", "app icon tile", "tile"),
    "hexagon": ("hexagon", "hexagon", "hexagonal badge"),
    "shield": ("shield", "shield", "shield shape", "crest"),
}
CONTAINERS = tuple(NOUNS)
# How much of the unit square a symbol may fill inside the container, and where its middle is (negative: higher).
ROOM: dict[str, tuple[float, float]] = {
    "none": (1.0, 0.0),
    "circle": (0.66, 0.0),
    "ring": (0.6, 0.0),
    "rounded square": (0.72, 0.0),
    "hexagon": (0.62, 0.0),
    "shield": (0.58, -0.12),
}


def draw_container(name: str, pen: Pen) -> None:
    body = pen.body
    if name == "circle":
        body.circle(0, 0, 1)
    elif name == "ring":
        body.circle(0, 0, 1)
        pen.cut.circle(0, 0, 0.86)
    elif name == "rounded square":
        body.box(-0.92, -0.92, 0.92, 0.92, 0.26)
    elif name == "hexagon":
        body.polygon(spokes(6, (1.0,)))
    elif name == "shield":
        body.blob(
            mirrored(
                [(0, -1), (0, -1), (0.5, -0.95), (0.9, -0.85), (0.9, -0.85), (0.86, 0.0), (0.55, 0.6), (0, 1), (0, 1)]
            )
        )
