"""At which steps of a drawing the transformer runs. The others are extrapolated (extrapolation.py)."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Protocol


class StepSchedule(Protocol):
    def __call__(self, step: int, steps: int, /) -> bool:
        """Whether the transformer runs at `step`, from 0, of a drawing's `steps`."""


# Of fewer, all are computed: they are too long to extrapolate over, and adapters for few steps need each of them.
LEAST_STEPS = 16
# `most` leaves out one step of so many. docs/decisions/0043-a-step-of-seven.md has what others gave.
LEAVES_OUT_ONE_OF = 7
# Beside so many steps, `few` computes one of each interval.
FIRST_STEPS = 4
# Where the steps of `few` are, as shares of the way to the last of them, which is the last step but one: each of the
# first, which decide the composition, then one of four, and one of three at the end, where steps are longest in sigma
# and what 8 bits round weighs most. docs/decisions/0034-drafts.md has what others gave.
SHARES = tuple(step / 26 for step in (0, 1, 2, 3, 4, 7, 11, 15, 19, 23, 26))


def most(step: int, steps: int) -> bool:
    """All but one step of seven, of which none is at either end."""
    return steps < LEAST_STEPS or step % LEAVES_OUT_ONE_OF > 0 or step in (0, steps - 1)


def few(interval: float) -> StepSchedule:
    """The first steps and, beside FIRST_STEPS, one of `interval`; the first and the last but one always."""
    return partial(_among_few, interval=interval)


def _among_few(step: int, steps: int, interval: float) -> bool:
    return steps < LEAST_STEPS or step in _places(steps, interval)


@lru_cache
def _places(steps: int, interval: float) -> frozenset[int]:
    count = FIRST_STEPS + round((steps - FIRST_STEPS) / interval)
    places = {round((steps - 2) * _share(index / (count - 1))) for index in range(count)}
    # Where two are the same step, the first that are left over take the second's place.
    others = (step for step in range(steps) if step not in places)
    return frozenset(places | {next(others) for _ in range(count - len(places))})


def _share(part: float) -> float:
    """SHARES between its entries; `part` of them, from 0 to 1, are passed."""
    index, rest = divmod(part * (len(SHARES) - 1), 1)
    before = SHARES[int(index)]
    return before + rest * (SHARES[min(int(index) + 1, len(SHARES) - 1)] - before)
