"""Merges the colours of a drawing to the few that are there, with smooth edges between them.

The colours are those of the plain areas. A pixel on an edge belongs to one of the areas beside it, never to a third
colour that its mixture happens to resemble.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_COLOURS = 12
# Colours nearer than this are one; the distance is Euclidean in CIELAB, where 2.3 is just noticeable.
ALIKE = 10.0
LEAST_SHARE = 0.001  # of all pixels, for a colour of its own
PLAIN = 14  # a channel's largest step between neighbours, of 255
BITS = 5  # of a channel, for the cells in which colours are counted
CELLS = 1 << 3 * BITS
SQUARE = cv2.getStructuringElement(cv2.MORPH_RECT, (3, 3))


def merge(rgb: NDArray[Any], visible: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The colours, (count, 3), and which of them each pixel has, (height, width): `count` where it is not visible.

    :param visible: (height, width).
    """
    plain = (cv2.morphologyEx(rgb, cv2.MORPH_GRADIENT, SQUARE).max(axis=2) <= PLAIN) & visible
    colours = _palette(rgb, plain, visible)
    labels = _assign(rgb, plain, colours)
    labels[~visible] = len(colours)
    return colours, labels


def _palette(rgb: NDArray[Any], plain: NDArray[Any], visible: NDArray[Any]) -> NDArray[Any]:
    rgb, plain, visible = rgb[::2, ::2], plain[::2, ::2], visible[::2, ::2]
    samples = rgb[plain if plain.sum() > LEAST_SHARE * plain.size else visible]
    if not len(samples):
        samples = rgb.reshape(-1, 3)
    cell = _cells(samples)
    counts = np.bincount(cell, minlength=CELLS)
    sums = np.stack([np.bincount(cell, weights=samples[:, i], minlength=CELLS) for i in range(3)], axis=1)
    used = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    means = (sums[used] / counts[used, None]).astype(np.float32)
    lab = cv2.cvtColor(means[None] / 255, cv2.COLOR_RGB2LAB)[0]
    # The most frequent cell gathers those around it, then the most frequent of the others, and so on.
    free = np.ones(len(used), dtype=bool)
    found: list[tuple[int, NDArray[np.float32]]] = []
    while free.any():
        first = int(free.argmax())
        near = free & (np.linalg.norm(lab - lab[first], axis=1) < ALIKE)
        free &= ~near
        weights = counts[used[near]]
        found.append((int(weights.sum()), np.average(means[near], axis=0, weights=weights)))
    found.sort(key=lambda one: -one[0])
    kept = [colour for count, colour in found[:MOST_COLOURS] if count >= LEAST_SHARE * plain.size] or [found[0][1]]
    return np.array(kept).round().astype(np.uint8)


def _assign(rgb: NDArray[Any], plain: NDArray[Any], colours: NDArray[Any]) -> NDArray[Any]:
    values = np.arange(1 << BITS, dtype=np.int16) * (1 << 8 - BITS) + (1 << 7 - BITS)
    grid = np.stack(np.meshgrid(values, values, values, indexing="ij"), axis=-1).reshape(-1, 3)
    nearest = np.argmin([np.abs(grid - colour).sum(axis=1) for colour in colours.astype(np.int16)], axis=0)
    labels: NDArray[Any] = nearest.astype(np.uint8)[_cells(rgb.reshape(-1, 3))].reshape(plain.shape)
    mixed = np.flatnonzero(~plain)
    pixels = rgb.reshape(-1, 3)[mixed].astype(np.int16)
    reach = max(3, max(rgb.shape[:2]) // 100)
    window = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    best, found = np.full(len(mixed), np.iinfo(np.int16).max, np.int16), np.zeros(len(mixed), np.uint8)
    for number, colour in enumerate(colours.astype(np.int16)):
        beside = cv2.dilate((plain & (labels == number)).astype(np.uint8), window).ravel()[mixed]
        cost = np.abs(pixels - colour).sum(axis=1, dtype=np.int16) + (1 - beside.astype(np.int16)) * 1000
        better = cost < best
        best[better] = cost[better]
        found[better] = number
    labels.ravel()[mixed] = found
    return labels


def _cells(pixels: NDArray[Any]) -> NDArray[Any]:
    red, green, blue = (pixels[:, i].astype(np.int32) >> 8 - BITS for i in range(3))
    return np.asarray((red << 2 * BITS) | (green << BITS) | blue)


def smooth(labels: NDArray[Any], radius: float) -> NDArray[Any]:
    """Each pixel has the label that most of those around it have; shapes smaller than the radius are gone."""
    count = int(labels.max()) + 1
    best, found = np.full(labels.shape, -1, np.int16), np.zeros_like(labels)
    for number in range(count):
        weight = cv2.GaussianBlur((labels == number) * np.uint8(255), (0, 0), radius).astype(np.int16)
        better = weight > best
        np.copyto(best, weight, where=better)
        found[better] = number
    return found
