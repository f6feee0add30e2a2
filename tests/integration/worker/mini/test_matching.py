"""The evaluation's judge finds in a drawing what was drawn: every symbol is matched at every size and place."""

from random import Random

import pytest

from worker.mini import logos, paint
from worker.mini.matching import match
from worker.mini.symbols import SYMBOLS


@pytest.mark.parametrize("container", ["none", "circle", "ring"])
def test_drawings_are_recognised(container):
    rng = Random(4)
    right = 0
    cases = [rng.choice(SYMBOLS) for _ in range(20)]
    for symbol in cases:
        shape = logos.place(symbol, container, rng.randrange(3), rng)
        page = "dark blue" if container == "none" else "white"
        found = match(paint.image(logos.Logo(shape, "one-colour", "orange", "dark blue", page)), container)
        right += (found.symbol, found.colour, found.ground) == (symbol, "orange", "dark blue")
        assert found.residual < 0.26
    assert right >= 19
