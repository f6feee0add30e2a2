"""Unmixes the soft edge between a drawing and its ground.

A pixel of the edge is a mixture of the ground's colour and the drawing's colour behind the edge; its share of the
latter is its alpha, and its colour becomes the latter, so that no trace of the old ground is left on any new one. The
drawing's colour is that of the nearest pixel where the edge has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The widest edge, of the longer side: drawings that were enlarged four times have such edges.
WIDEST = 1 / 48
# An edge has ended where the picture changes by less than this share of what it changes at most along the edge.
CALM = 0.2
SQUARE = cv2.getStructuringElement(cv2.MORPH_RECT, (3, 3))


def unmix(
    rgb: NDArray[Any],
    ground: NDArray[Any],
    distance: NDArray[Any],
    outside: NDArray[Any],
    tolerance: int,
) -> NDArray[Any]:
    """(height, width, 4).

    :param ground: the ground's colours, of rgb's shape.
    :param distance: the largest channel's difference between the two.
    :param outside: 1 where the picture is ground, else 0.
    """
    distance = cv2.min(distance, 254)  # type: ignore[call-overload]
    steps = cv2.morphologyEx(distance, cv2.MORPH_GRADIENT, SQUARE)
    reach = _edge_width(distance, steps, outside, max(3, round(max(rgb.shape[:2]) * WIDEST)))
    edge = _rise(distance, outside, reach)
    ended = _ended(distance, steps, edge, outside, tolerance, reach)
    # The tail of the edge lies below the tolerance.
    edge |= cv2.dilate(1 - outside, SQUARE, iterations=2) & outside

    drawing = (1 - outside) * np.uint8(255)
    result = cv2.merge([*cv2.split(cv2.bitwise_and(rgb, rgb, mask=drawing)), drawing])
    place = np.flatnonzero(edge)
    base, mixed, behind = (
        picture.reshape(-1, 3)[pixels].astype(np.float32)
        for picture, pixels in ((ground, place), (rgb, place), (rgb, _nearest(ended, place)))
    )
    span = behind - base
    length = np.maximum((span * span).sum(axis=1), 1)
    share = np.clip(((mixed - base) * span).sum(axis=1) / length, 0, 1)
    # What is no mixture of the two is a part of the drawing.
    misfit = np.abs(base + share[:, None] * span - mixed).max(axis=1)
    deep = cv2.erode(1 - outside, SQUARE, iterations=2).ravel()[place] == 1
    own = ((misfit > 3 * tolerance) & deep) | (share > 0.97)  # noqa: PLR2004 - the edge's end, within its noise
    share[own] = 1
    share[share < 0.02] = 0  # noqa: PLR2004 - the ground's noise
    behind[own] = mixed[own]
    behind[share == 0] = 0
    result.reshape(-1, 4)[place] = np.column_stack([behind, share * 255]).round().astype(np.uint8)
    return result


def _edge_width(distance: NDArray[Any], steps: NDArray[Any], outside: NDArray[Any], widest: int) -> int:
    """How many pixels the picture's edges take: the height of the median edge by its steepest step, and the tails."""
    rim = (cv2.dilate(outside, SQUARE) - outside) == 1
    if not rim.any():
        return 1
    window = np.ones((2 * widest + 1, 2 * widest + 1), np.uint8)
    height = cv2.dilate(distance, window)[rim].astype(np.float32)
    steepest = cv2.dilate(steps, window)[rim].astype(np.float32) / 2  # over two pixels
    return int(np.clip(np.ceil(1.7 * np.median(height / np.maximum(steepest, 1))) + 1, 3, widest))


def _rise(distance: NDArray[Any], outside: NDArray[Any], reach: int) -> NDArray[Any]:
    """1 where a way of at most `reach` pixels leads from the ground without coming nearer to its colour. Behind a thin
    line it would, so that the line's inner edge stays as it is.
    """
    risen = outside * np.uint8(255)
    higher = cv2.add(distance, 2)  # type: ignore[call-overload]
    for _ in range(reach):
        lowest = cv2.erode(cv2.max(distance, cv2.bitwise_not(risen)), SQUARE)
        risen |= cv2.compare(lowest, higher, cv2.CMP_LE) & cv2.compare(lowest, 255, cv2.CMP_LT)  # type: ignore[call-overload]
    return np.asarray((risen == 255) & (outside == 0), dtype=np.uint8)  # noqa: PLR2004 - a mask's value


def _ended(  # noqa: PLR0913 - what is known of the edge
    distance: NDArray[Any],
    steps: NDArray[Any],
    edge: NDArray[Any],
    outside: NDArray[Any],
    tolerance: int,
    reach: int,
) -> NDArray[Any]:
    """1 where the drawing has its own colour: where an edge calms down, on the ridges of thin lines, and behind."""
    window = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    steepest = cv2.dilate(steps * edge, window)
    calm = steps <= CALM * steepest
    ridge = distance >= cv2.dilate(distance, np.ones((5, 5), np.uint8))
    differs = (distance >= 2 * tolerance) & (outside == 0)
    found = (differs & (calm | ridge | (edge == 0))).astype(np.uint8)
    # A pixel or two further in the colour is purer, where the drawing is that thick.
    core: NDArray[Any] = cv2.erode(found, SQUARE)
    return np.asarray(found & (core | (1 - np.asarray(cv2.dilate(core, np.ones((5, 5), np.uint8))))))


def _nearest(known: NDArray[Any], place: NDArray[Any]) -> NDArray[Any]:
    """For each pixel of `place` the nearest known one; pixels are counted row by row."""
    pixels = np.flatnonzero(known)
    if not len(pixels):
        return place
    _, labels = cv2.distanceTransformWithLabels(1 - known, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    labels = labels.ravel()
    pixel_of = np.zeros(len(pixels) + 1, np.intp)
    pixel_of[labels[pixels]] = pixels
    return np.asarray(pixel_of[labels[place]])
