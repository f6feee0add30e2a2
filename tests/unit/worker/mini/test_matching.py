"""The evaluation recognises what was drawn, and nothing in noise."""

import numpy as np
from PIL import Image

from worker.mini import evaluate, logos, paint
from worker.mini.matching import match, sharpness
from worker.mini.symbols import SYMBOLS


def test_noise_has_a_large_residual():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert match(Image.fromarray(noise), "circle").residual > 0.27


def test_a_blurred_drawing_is_less_sharp():
    shape = logos.place("gear", "circle", 1)
    drawn = paint.image(logos.Logo(shape, "one-colour", "white", "black", "white"))
    blurred = drawn.resize((32, 32), Image.Resampling.BOX).resize((256, 256), Image.Resampling.BICUBIC)
    assert sharpness(drawn) > 2 * sharpness(blurred)


def test_the_evaluation_asks_for_held_out_combinations_only():
    cases = evaluate.held_out_cases(300)
    assert cases == evaluate.held_out_cases(300)
    assert all(logos.held_out(case.symbol, case.colour, case.container) for case in cases)
    assert {case.symbol for case in cases} == set(SYMBOLS)
    assert 0.4 < np.mean([case.enhanced for case in cases]) < 0.8


def test_the_free_wordings_are_of_things_the_model_knows():
    cases = evaluate.free_cases()
    assert len(cases) >= 50
    assert {case.symbol for case in cases} <= set(SYMBOLS)
