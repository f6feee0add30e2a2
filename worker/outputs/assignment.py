"""Which colour each area of a drawing gets, of those that were asked for.

Areas that touch and differ must differ afterwards, else a symbol would be lost in its container; among the choices that
keep them apart, each area gets the colour nearest to its own, and the ground's only if no other keeps it apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from shared.styles.colours import distance

if TYPE_CHECKING:
    from numpy.typing import NDArray

APART = 20.0  # CIEDE2000: areas that differ by more need not differ by more afterwards
# The weights of lost contrast along all outlines, and of a symbol in the ground's colour, against a change of colour of
# all pixels.
CONTRAST, SUNK = 12.0, 20.0
EXACT = 4096  # choices that are all tried; of more, areas are improved one by one
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
        return cls(drawn, shares, rims, touching, blended, ground)

    def gradients(self) -> list[list[int]]:
        """The labels of each gradient: those that are blended with each other, the ground's left out."""
        groups: list[set[int]] = []
        for pair in self.blended:
            if self.ground in pair:
                continue
            joined = {*pair}.union(*(group for group in groups if group & {*pair}))
            groups = [group for group in groups if not group & joined] + [joined]
        return [sorted(group) for group in groups]


def assign(areas: Areas, colours: tuple[str, ...], background: str) -> list[str]:
    """The colour of each area, by label. Without colours, or for the ground without a background, as it is drawn; a
    ground as drawn that is near to one of the colours gets that.
    """
    drawn, ground = areas.drawn, areas.ground
    choices: list[list[str]] = []
    behind = background or (_near(drawn[ground], colours) if ground >= 0 else "")
    for number, own in enumerate(drawn):
        if number == ground:
            choices.append([behind])
        elif colours:
            choices.append(list(dict.fromkeys([*colours, *filter(None, [behind])])))
        else:
            choices.append([own])
    if np.prod([len(one) for one in choices], dtype=float) <= EXACT:
        return list(min(product(*choices), key=lambda given: _cost(areas, given)))
    return _improved(areas, choices)


def _near(own: str, colours: tuple[str, ...]) -> str:
    return min(
        (colour for colour in colours if distance(own, colour) < APART), key=lambda c: distance(own, c), default=own
    )


def _improved(areas: Areas, choices: list[list[str]]) -> list[str]:
    given = [min(choice, key=lambda c: distance(own, c)) for own, choice in zip(areas.drawn, choices, strict=True)]
    order = sorted(range(len(given)), key=lambda number: -areas.shares[number])
    while True:
        before = list(given)
        for number in order:
            tried = [[*given[:number], choice, *given[number + 1 :]] for choice in choices[number]]
            given = min(tried, key=lambda one: _cost(areas, one))
        if given == before:
            return given


def _cost(areas: Areas, given: Any) -> float:
    changed = sum(
        float(share) * distance(own, new) for share, own, new in zip(areas.shares, areas.drawn, given, strict=True)
    )
    lost = sum(
        share * max(0.0, min(APART, distance(areas.drawn[a], areas.drawn[b])) - distance(given[a], given[b]))
        for (a, b), share in areas.touching.items()
        if not (areas.rims[a] or areas.rims[b])
    )
    behind = given[areas.ground] if areas.ground >= 0 else ""
    sunk = sum(
        float(share)
        for number, (share, new) in enumerate(zip(areas.shares, given, strict=True))
        if new == behind and number != areas.ground
    )
    return changed + CONTRAST * lost + SUNK * sunk
