"""Puts a drawing into the colours that were asked for.

The colours of its plain areas (worker/outputs/merging.py, areas.py) are each given one of those asked for, the nearest
that keeps neighbours apart (worker/outputs/assignment.py). A pixel of a plain area gets that colour exactly. A pixel of
an edge is a mixture of the colours of two areas beside it, and becomes the same mixture of what these have got.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from shared.styles.colours import TOLERANCE, distance, hex_of, rgb_of
from worker.outputs.areas import Areas
from worker.outputs.assignment import assign
from worker.outputs.merging import PLAIN, SQUARE, merge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BORDER = 1 / 64  # the border's width, of the shorter side
GROUND_SHARE = 0.4  # of the border, for its most frequent colour to be that of a ground
NEAR = 6.0  # CIEDE2000
# A channel's largest step between neighbours in a gradient, of 255, in a picture of that side; it falls with the side.
SOFT, SOFT_SIDE = 6, 512
REACH = 1 / 100  # of the longer side: how far from its area an edge's pixel may be


@dataclass(frozen=True, slots=True)
class Branded:
    rgb: NDArray[Any]
    share: float  # of the flat pixels that were asked for in a colour, those that have one within TOLERANCE
    has_ground: bool


def brand(rgb: NDArray[Any], colours: tuple[str, ...], background: str) -> Branded:
    """:param rgb: (height, width, 3).
    :param colours: of the symbol, `#rrggbb`; empty: those that are drawn.
    :param background: of the ground; empty: as it is drawn.
    """
    found, labels = merge(rgb, np.ones(rgb.shape[:2], dtype=bool))
    steps = cv2.morphologyEx(rgb, cv2.MORPH_GRADIENT, SQUARE).max(axis=2)
    plain, soft = steps <= PLAIN, steps <= max(2, SOFT * SOFT_SIDE / max(labels.shape))
    ground = _ground(labels, len(found))
    drawn = [hex_of((int(r), int(g), int(b))) for r, g, b in found]
    areas = Areas.of(drawn, labels, soft, ground)
    given = assign(areas, colours, background)
    targets = np.array([rgb_of(colour) for colour in given], dtype=np.uint8)
    changed = [number for number, colour in enumerate(given) if colour != drawn[number]]
    result = targets[labels]
    _mix(rgb, plain, labels, found, targets, result)
    for group in areas.gradients():
        _blend(rgb, np.isin(labels, group) & plain, found[group], targets[group], result)
    # An area that keeps its colour keeps its grain too.
    kept = plain & ~np.isin(labels, changed)
    result[kept] = rgb[kept]
    asked = [*colours, *filter(None, [background])]
    counted = plain if background else plain & (labels != ground)
    if not colours:
        counted = plain & (labels == ground)
    return Branded(result, share_within(result, counted, asked), ground >= 0)


def snapped(found: NDArray[Any], asked: Sequence[str], near: float = NEAR) -> NDArray[Any]:
    """Colours of a picture, (count, 3), those of them nearer than `near` to one that was asked for being that one."""
    exact = [
        min(((distance(hex_of((int(r), int(g), int(b))), colour), colour) for colour in asked), default=(near, ""))
        for r, g, b in found
    ]
    return np.array(
        [rgb_of(colour) if away < near else own for (away, colour), own in zip(exact, found, strict=True)],
        dtype=np.uint8,
    )


def share_within(rgb: NDArray[Any], counted: NDArray[Any], asked: list[str]) -> float:
    """The share of the counted pixels whose colour is within TOLERANCE of one that was asked for; 1 of none."""
    pixels = rgb[counted].astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    if not len(pixels):
        return 1.0
    exact = np.isin(pixels, [int(colour[1:], 16) for colour in asked])
    # The others in steps of four, whose distances are below 1, or a picture of noise would take minutes.
    values, numbers = np.unique(pixels[~exact] & 0xFCFCFC | 0x020202, return_counts=True)
    near = [min(distance(f"#{value:06x}", colour) for colour in asked) <= TOLERANCE for value in values.tolist()]
    return float((exact.sum() + numbers[near].sum()) / len(pixels))


def _ground(labels: NDArray[Any], count: int) -> int:
    """The label of the ground; -1 if the border has no colour of its own."""
    width = max(1, round(min(labels.shape) * BORDER))
    bands = (labels[:width], labels[-width:], labels[:, :width], labels[:, -width:])
    border = np.concatenate([band.ravel() for band in bands])
    counts = np.bincount(border, minlength=count)
    return int(counts.argmax()) if counts.max() >= GROUND_SHARE * len(border) else -1


def _blend(
    rgb: NDArray[Any], inside: NDArray[Any], drawn: NDArray[Any], targets: NDArray[Any], result: NDArray[Any]
) -> None:
    """A gradient goes from what one end of it has got to what the other has got."""
    away = np.linalg.norm(drawn[:, None].astype(np.float32) - drawn[None].astype(np.float32), axis=2)
    first, last = np.unravel_index(int(away.argmax()), away.shape)
    base, span = drawn[first].astype(np.float32), drawn[last].astype(np.float32) - drawn[first]
    along = np.clip((rgb[inside] - base) @ span / max(float(span @ span), 1), 0, 1)[:, None]
    start = targets[first].astype(np.float32)
    result[inside] = (start + along * (targets[last] - start)).round().astype(np.uint8)


def _mix(  # noqa: PLR0913 - what is known of the picture
    rgb: NDArray[Any],
    plain: NDArray[Any],
    labels: NDArray[Any],
    drawn: NDArray[Any],
    targets: NDArray[Any],
    result: NDArray[Any],
) -> None:
    """Writes the pixels of the edges."""
    place = np.flatnonzero(~plain)
    pixels = rgb.reshape(-1, 3)[place].astype(np.float32)
    reach = max(3, round(max(labels.shape) * REACH))
    window = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    own = labels.ravel()[place]
    beside = [
        cv2.dilate((plain & (labels == number)).astype(np.uint8), window).ravel()[place].astype(bool) | (own == number)
        for number in range(len(drawn))
    ]
    best = np.full(len(place), np.inf, np.float32)
    mixed = targets[own].astype(np.float32)
    for one, other in combinations(range(len(drawn)), 2):
        here = np.flatnonzero(beside[one] & beside[other])
        if not len(here):
            continue
        base, span = drawn[one].astype(np.float32), drawn[other].astype(np.float32) - drawn[one]
        along = np.clip((pixels[here] - base) @ span / max(float(span @ span), 1), 0, 1)
        away = np.abs(pixels[here] - base - along[:, None] * span).max(axis=1)
        better = away < best[here]
        here, along = here[better], along[better, None]
        best[here] = away[better]
        mixed[here] = targets[one] + along * (targets[other].astype(np.float32) - targets[one])
    result.reshape(-1, 3)[place] = mixed.round().astype(np.uint8)
