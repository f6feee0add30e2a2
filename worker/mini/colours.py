"""The named colours that the CPU model knows, and which of them a pixel is nearest to.

Distances are Euclidean in OKLab (Ottosson 2020, https://bottosson.github.io/posts/oklab/), where equal distances look
about equally far apart; from black to white it is 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shared.styles.colours import NAMED

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAMES = tuple(NAMED)
__all__ = ["NAMED", "NAMES", "SYNONYMS", "contrast", "nearest", "oklab"]
# What people write for them; the first is the plainest, and a repeated one is more frequent.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "red": ("red", "red", "bright red", "scarlet"),
    "dark red": ("dark red", "dark red", "maroon", "burgundy", "crimson", "deep red"),
    "orange": ("orange", "orange", "bright orange"),
    "yellow": ("yellow", "yellow", "bright yellow"),
    "gold": ("gold", "golden"),
    "green": ("green", "green", "emerald"),
    "dark green": ("dark green", "dark green", "forest green", "deep green"),
    "light green": ("light green", "light green", "lime", "lime green", "pale green"),
    "teal": ("teal", "teal", "dark teal"),
    "turquoise": ("turquoise", "cyan", "aqua"),
    "blue": ("blue", "blue", "royal blue", "bright blue"),
    "dark blue": ("dark blue", "dark blue", "navy", "navy blue", "deep blue"),
    "light blue": ("light blue", "light blue", "sky blue", "pale blue", "baby blue"),
    "purple": ("purple", "purple", "violet"),
    "dark purple": ("dark purple", "dark purple", "deep purple", "indigo"),
    "light purple": ("light purple", "light purple", "lavender", "lilac", "pale purple"),
    "pink": ("pink", "pink", "hot pink", "magenta", "bright pink"),
    "light pink": ("light pink", "light pink", "pale pink", "baby pink"),
    "brown": ("brown", "brown", "chocolate brown"),
    "beige": ("beige", "cream", "tan", "sand"),
    "black": ("black", "black", "jet black"),
    "dark gray": ("dark gray", "dark grey", "charcoal"),
    "gray": ("gray", "grey"),
    "light gray": ("light gray", "light grey", "silver", "pale gray"),
    "white": ("white", "white", "pure white"),
}

_FROM_RGB = np.array([
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
])  # fmt: skip
_TO_LAB = np.array([
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
])  # fmt: skip


def oklab(rgb: NDArray[np.floating | np.integer]) -> NDArray[np.float64]:
    """`rgb`: sRGB from 0 to 255, the channels last."""
    value = np.asarray(rgb, dtype=np.float64) / 255
    linear = np.where(
        value <= 0.04045,  # noqa: PLR2004 - sRGB's own constant
        value / 12.92,
        ((value + 0.055) / 1.055) ** 2.4,
    )
    return np.asarray(np.cbrt(linear @ _FROM_RGB.T) @ _TO_LAB.T)


_LAB = oklab(np.array(list(NAMED.values())))
_CONTRAST = np.linalg.norm(_LAB[:, None] - _LAB[None], axis=-1)


def contrast(one: str, other: str) -> float:
    return float(_CONTRAST[NAMES.index(one), NAMES.index(other)])


def nearest(rgb: NDArray[np.floating | np.integer]) -> str:
    """`rgb`: three values from 0 to 255."""
    return NAMES[int(np.linalg.norm(_LAB - oklab(rgb), axis=-1).argmin())]
