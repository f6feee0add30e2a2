"""Colours as requests name them, `#rrggbb`: how far they are from each other, and what they are called.

Distances are CIEDE2000, by coloraide: 1 is about the least difference that is seen side by side.
"""

from __future__ import annotations

import functools

from coloraide import Color

Rgb = tuple[int, int, int]
TOLERANCE = 2.0  # colours that are nearer than this are one

# Names that both FLUX and the CPU model know, with the colours that the latter was trained on.
NAMED: dict[str, Rgb] = {
    "red": (220, 38, 38),
    "dark red": (127, 20, 29),
    "orange": (247, 127, 23),
    "yellow": (253, 216, 53),
    "gold": (198, 150, 30),
    "green": (34, 160, 70),
    "dark green": (15, 82, 45),
    "light green": (140, 215, 100),
    "teal": (0, 128, 128),
    "turquoise": (45, 205, 205),
    "blue": (33, 100, 230),
    "dark blue": (16, 36, 110),
    "light blue": (125, 190, 250),
    "purple": (130, 50, 190),
    "dark purple": (70, 20, 100),
    "light purple": (190, 155, 240),
    "pink": (240, 80, 160),
    "light pink": (250, 185, 205),
    "brown": (120, 72, 35),
    "beige": (240, 222, 185),
    "black": (15, 15, 18),
    "dark gray": (66, 70, 76),
    "gray": (128, 132, 138),
    "light gray": (205, 208, 212),
    "white": (255, 255, 255),
}


def rgb_of(colour: str) -> Rgb:
    """:param colour: `#rrggbb`."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def hex_of(rgb: Rgb) -> str:
    return "#" + bytes(rgb).hex()


@functools.lru_cache(maxsize=16384)
def distance(one: str, other: str) -> float:
    return float(_known(one).delta_e(_known(other), method="2000"))


def names_of(colours: tuple[str, ...], background: str = "") -> tuple[list[str], str]:
    """The nearest name of each colour, each once, and that of the background, which none of the colours has: what has
    the name of its ground would not be seen. Empty without a background.
    """
    named = list(dict.fromkeys(_ranked(colour)[0] for colour in colours))
    behind = next(name for name in _ranked(background) if name not in named) if background else ""
    return named, behind


@functools.lru_cache(maxsize=1024)
def _ranked(colour: str) -> list[str]:
    return sorted(NAMED, key=lambda name: distance(colour, hex_of(NAMED[name])))


@functools.lru_cache(maxsize=4096)
def _known(colour: str) -> Color:
    return Color(colour)
