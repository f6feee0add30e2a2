"""Which colour each area of a drawing gets, of those that were asked for.

Areas that touch and differ must differ afterwards, else a symbol would be lost in its container; among the choices that
keep them apart, each area gets the colour nearest to its own, and the ground's only if no other keeps it apart. Shades
of a colour, such as the seam around a symbol, get what the largest area of that colour gets.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.styles.colours import distance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.outputs.areas import Areas

APART = 20.0  # CIEDE2000: areas that differ by more need not differ by more afterwards
# The weights of lost contrast along all outlines, and of a symbol in the ground's colour, against a change of colour of
# all pixels.
CONTRAST, SUNK = 12.0, 20.0
EXACT = 4096  # choices that are all tried; of more, areas are improved one by one


def assign(areas: Areas, colours: tuple[str, ...], background: str) -> list[str]:
    """The colour of each area, by label. Without colours, or for the ground without a background, as it is drawn; a
    ground as drawn that is near to one of the colours gets that.
    """
    drawn, ground = areas.drawn, areas.ground
    choices: list[list[str]] = []
    behind = background or (_near(drawn[ground], colours) if ground >= 0 else "")
    # Without colours the symbol keeps its shades.
    leaders = [first if colours or first == ground else number for number, first in enumerate(areas.shade_of)]
    for number, own in enumerate(drawn):
        if number == ground:
            choices.append([behind])
        elif colours and leaders[number] == number:
            choices.append(list(dict.fromkeys([*colours, *filter(None, [behind])])))
        else:
            choices.append([own])
    if np.prod([len(one) for one in choices], dtype=float) <= EXACT:
        return min((_led(leaders, one) for one in product(*choices)), key=lambda given: _cost(areas, given))
    return _improved(areas, choices, leaders)


def _led(leaders: list[int], given: Sequence[str]) -> list[str]:
    return [given[number] for number in leaders]


def _near(own: str, colours: tuple[str, ...]) -> str:
    return min(
        (colour for colour in colours if distance(own, colour) < APART), key=lambda c: distance(own, c), default=own
    )


def _improved(areas: Areas, choices: list[list[str]], leaders: list[int]) -> list[str]:
    nearest = [min(choice, key=lambda c: distance(own, c)) for own, choice in zip(areas.drawn, choices, strict=True)]
    given = _led(leaders, nearest)
    order = sorted(set(leaders), key=lambda number: -areas.shares[number])
    while True:
        before = list(given)
        for number in order:
            tried = [_led(leaders, [*given[:number], choice, *given[number + 1 :]]) for choice in choices[number]]
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
