"""Finds the plain ground that a logo stands on, and takes it away.

The ground's colour is estimated from the border: a constant, or where that does not fit, a surface of second degree,
because drawn grounds often have a slight gradient. A pixel is the ground's if a path of pixels of that colour leads
from it to the border. Enclosed areas of that colour are `holes`: `keep` leaves them as they are drawn, so that a white
symbol in a blue circle on a white page stays white; `cut` makes each of them transparent that has at least HOLE_SHARE
of the picture's pixels, so that a ring is open in the middle. Smaller ones stay: they are highlights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from worker.outputs.unmixing import unmix

if TYPE_CHECKING:
    from numpy.typing import NDArray

BORDER = 1 / 64  # the border's width, of the shorter side
HOLE_SHARE, SPECK_SHARE = 1e-4, 2e-5
CORNER_SHARE = 3e-4  # at most, of a stain that a model leaves in the very corner of its picture
SAMPLED = 5  # every so many of the border's pixels is looked at
INLIERS = 0.75  # the least share of the border that has the ground's colour: a logo may touch it here and there
# Differences of the worst channel, of 255. A border with more noise than NOISY is no plain ground.
LEAST_TOLERANCE, QUIET, NOISY = 8, 1.5, 5.0


class NotUniform(ValueError):
    """No plain ground is seen."""


@dataclass(frozen=True, slots=True)
class Ground:
    colours: NDArray[Any]  # (height, width, 3): what the ground has, or would have, at each pixel
    tolerance: int  # differences up to this are the ground's own noise


def estimate(rgb: NDArray[Any]) -> Ground:
    """:param rgb: (height, width, 3).
    :raises NotUniform: the border has no plain colour.
    """
    border = _border(rgb).astype(np.float32)
    middle = np.median(border, axis=0)
    away = np.abs(border - middle).max(axis=1)
    noise = _noise(away)
    if noise <= QUIET and (away <= _tolerance(noise)).mean() >= INLIERS:
        colours = np.empty_like(rgb)
        colours[:] = middle.round().astype(np.uint8)
        return Ground(colours, _tolerance(noise))
    return _surface(rgb, border)


def border_colour(rgb: NDArray[Any]) -> tuple[int, int, int]:
    """Of the whole border, plain or not."""
    red, green, blue = np.median(_border(rgb), axis=0).astype(int).tolist()
    return red, green, blue


def cut_out(rgb: NDArray[Any], ground: Ground, holes: str) -> NDArray[Any]:
    """(height, width, 4): the drawing without its ground.

    :raises NotUniform: the ground does not surround the drawing.
    """
    distance = cv2.absdiff(rgb, ground.colours).max(axis=2)
    alike = (distance <= ground.tolerance).astype(np.uint8)
    outside = _connected_to_border(alike)
    if _border(outside).mean() < INLIERS:
        raise NotUniform("the ground does not surround the drawing")
    if holes == "cut":
        outside |= _parts(alike & (1 - outside), at_least=round(HOLE_SHARE * alike.size))
    # Grains of the ground's noise that are above the tolerance.
    drawing = _parts(1 - outside, at_least=max(2, round(SPECK_SHARE * alike.size)))
    outside |= (1 - drawing) & (distance <= 2 * ground.tolerance)
    outside |= _corner_stains(1 - outside)
    return unmix(rgb, ground.colours, distance, outside, ground.tolerance)


def _border(picture: NDArray[Any]) -> NDArray[Any]:
    """Pixels of the border: (pixels, channels), or (pixels,) of a picture without channels."""
    width = max(2, round(min(picture.shape[:2]) * BORDER))
    bands = (picture[:width], picture[-width:], picture[width:-width, :width], picture[width:-width, -width:])
    return np.concatenate([band.reshape(-1, *picture.shape[2:])[::SAMPLED] for band in bands])


def _noise(away: NDArray[np.float32]) -> float:
    """The standard deviation, from the median, which parts of a logo at the border do not change much."""
    return 1.4826 * float(np.median(away))


def _tolerance(noise: float) -> int:
    return LEAST_TOLERANCE + round(3 * noise)


def _surface(rgb: NDArray[Any], border: NDArray[np.float32]) -> Ground:
    """Fits each channel on the border, each time without what the fit before is far from."""
    height, width = rgb.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    samples = _border(terms)
    inside = np.ones(len(border), dtype=bool)
    noise = 0.0
    for _ in range(4):
        weights = np.linalg.lstsq(samples[inside], border[inside], rcond=None)[0]
        away = np.abs(samples @ weights - border).max(axis=1)
        noise = _noise(away)
        inside = away <= _tolerance(noise)
    if noise > NOISY or inside.mean() < INLIERS:
        raise NotUniform("the border has no plain colour")
    colours = np.clip((terms.reshape(-1, 6) @ weights).round(), 0, 255).astype(np.uint8)
    return Ground(colours.reshape(rgb.shape), _tolerance(noise))


def _connected_to_border(alike: NDArray[Any]) -> NDArray[Any]:
    """1 where a path of `alike` pixels leads to the border, else 0."""
    framed = cv2.copyMakeBorder(alike, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    cv2.floodFill(framed, None, (0, 0), 2)
    return np.asarray(framed[1:-1, 1:-1] == 2, dtype=np.uint8)  # noqa: PLR2004 - the flood's own value


def _corner_stains(drawing: NDArray[Any]) -> NDArray[Any]:
    """The small parts of a mask that have a corner of the picture. A stain would be seen on each new ground, and icons
    would be as small as if it belonged to the logo.
    """
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(drawing, connectivity=8)
    corners = {int(label) for label in labels[[0, 0, -1, -1], [0, -1, 0, -1]]} - {0}
    small = [label for label in corners if statistics[label, cv2.CC_STAT_AREA] <= CORNER_SHARE * drawing.size]
    return np.isin(labels, small).astype(np.uint8)


def _parts(mask: NDArray[Any], at_least: int) -> NDArray[Any]:
    """The connected parts of a mask that have that many pixels."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    large = (statistics[:, cv2.CC_STAT_AREA] >= at_least).astype(np.uint8)
    large[0] = 0
    return np.asarray(large[labels])
