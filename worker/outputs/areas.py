"""The areas of a drawing: which of them touch, which are rims, which are shades of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from shared.styles.colours import distance

if TYPE_CHECKING:
    from numpy.typing import NDArray

# CIEDE2000: an area nearer than this to the ground or to a larger one is a shade of it.
SHADE = 10.0
# An area whose thickest part is thinner than this share of the longer side is a rim, which need not be kept apart.
RIM = 1 / 128
BLENDED = 0.5  # of an outline, that is soft


@dataclass(frozen=True, slots=True)
class Areas:
    """By label: the colours as drawn, the share of all pixels, and whether it is a rim; `touching` has the share of all
    outlines that each pair of labels has, the smaller label first. Outlines that are soft, such as those between the
    bands of a gradient, are none: `blended` has the pairs that only such ones lie between.
    """

    drawn: list[str]
    shares: NDArray[Any]
    rims: list[bool]
    touching: dict[tuple[int, int], float]
    blended: list[tuple[int, int]]
    ground: int  # -1: none
    shade_of: list[int]  # itself, or the area that it is a shade of

    @classmethod
    def of(cls, drawn: list[str], labels: NDArray[Any], soft: NDArray[Any], ground: int) -> Areas:
        """:param labels: (height, width).
        :param soft: of that shape: where the picture hardly changes from pixel to pixel.
        """
        count = len(drawn)
        shares = np.bincount(labels.ravel(), minlength=count) / labels.size
        least = max(labels.shape) * RIM
        rims = [
            cv2.distanceTransform((labels == n).astype(np.uint8), cv2.DIST_L2, 3).max() < least for n in range(count)
        ]
        pairs = np.zeros((2, count, count))
        for one, other, calm in (
            (labels[:, 1:], labels[:, :-1], soft[:, 1:] & soft[:, :-1]),
            (labels[1:], labels[:-1], soft[1:] & soft[:-1]),
        ):
            differ = one != other
            np.add.at(pairs, (calm[differ].astype(int), one[differ], other[differ]), 1)
        hard, smooth = pairs + pairs.transpose(0, 2, 1)
        found = [(a, b) for a in range(count) for b in range(a + 1, count) if hard[a, b] + smooth[a, b]]
        blended = [(a, b) for a, b in found if smooth[a, b] >= BLENDED * (hard[a, b] + smooth[a, b])]
        total = max(1.0, float(np.triu(hard + smooth).sum()))
        touching = {pair: float(hard[pair] + smooth[pair]) / total for pair in found if pair not in blended}
        return cls(drawn, shares, rims, touching, blended, ground, _shades(drawn, shares, blended, ground))

    def gradients(self) -> list[list[int]]:
        """The labels of each gradient: those that are blended with each other, the ground's left out."""
        groups: list[set[int]] = []
        for pair in self.blended:
            if self.ground in pair:
                continue
            joined = {*pair}.union(*(group for group in groups if group & {*pair}))
            groups = [group for group in groups if not group & joined] + [joined]
        return [sorted(group) for group in groups]


def _shades(drawn: list[str], shares: NDArray[Any], blended: list[tuple[int, int]], ground: int) -> list[int]:
    """By label, the area that each is a shade of: the ground, or a larger one. The bands of a gradient are none of each
    other.
    """
    found = list(range(len(drawn)))
    colours: list[int] = []
    for number in sorted(found, key=lambda label: (label != ground, -shares[label])):
        near = {
            other: distance(drawn[number], drawn[other])
            for other in colours
            if (min(number, other), max(number, other)) not in blended
        }
        nearest = min(near, key=near.__getitem__, default=number)
        if near.get(nearest, SHADE) < SHADE:
            found[number] = nearest
        else:
            colours.append(number)
    return found
