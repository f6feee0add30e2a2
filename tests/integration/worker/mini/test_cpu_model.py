"""The CPU model draws what it is asked for, and a model with a broken part does not. A small version of
`python -m worker.mini.evaluate`; no server is needed.
"""

import numpy as np
import pytest
import torch

from worker.flux.model import DEV_STEPS
from worker.mini import brand_evaluation, colours, evaluate, sheet
from worker.mini.pipeline import COMPONENTS
from worker.mini.vocabulary import T5_LENGTH, clip_tokenizer, t5_tokenizer
from worker.prompts import enhance

# Six held-out combinations and four free wordings.
CASES = [*evaluate.held_out_cases(48)[::8], *evaluate.free_cases()[:8:2]]
UNKNOWN = "a hairdresser's salon by the sea, Amélie & Co"
FEW_STEPS = 10


@pytest.fixture(scope="module")
def pipeline():
    return sheet.load()


def right(pipeline, cases, steps):
    """For each case whether its symbol and its colours are right."""
    pictures = evaluate.draw(pipeline, cases, batch=1, num_inference_steps=steps)
    verdicts = [evaluate.judge(picture, case) for picture, case in zip(pictures, cases, strict=True)]
    return [verdict.symbol and verdict.colours for verdict in verdicts]


@pytest.mark.parametrize("steps", [FEW_STEPS, pytest.param(DEV_STEPS, marks=pytest.mark.slow)])
def test_ten_prompts_are_drawn(pipeline, steps):
    """Few steps are enough to tell, which the tests below rely on."""
    found = right(pipeline, CASES, steps)
    assert len(found) == 10
    assert sum(found) >= 9
    assert all(found[:4])


@pytest.mark.parametrize(
    "component", [COMPONENTS[0], *(pytest.param(name, marks=pytest.mark.slow) for name in COMPONENTS[1:])]
)
def test_a_component_with_shuffled_weights_does_not_pass(component):
    broken = sheet.load()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in getattr(broken, component).parameters():
            order = torch.randperm(weights.numel(), generator=generator)
            weights.copy_(weights.flatten()[order].view_as(weights))
    assert sum(right(broken, CASES[:3], FEW_STEPS)) <= 1


def test_the_same_seed_gives_the_same_picture_bit_for_bit(pipeline):
    first, second, other = (
        sheet.draw_prompts(pipeline, ["a red star"], seed=seed, num_inference_steps=FEW_STEPS)[0] for seed in (5, 5, 6)
    )
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != other.tobytes()


def test_what_it_does_not_know_becomes_some_plain_logo(pipeline):
    """Flat areas, as a drawing has them: noise has hardly two neighbouring pixels alike."""
    (picture,) = sheet.draw_prompts(pipeline, [UNKNOWN], seed=1)
    pixels = np.asarray(picture, dtype=np.int16)
    steps = np.abs(np.diff(pixels, axis=1)).max(axis=2)
    assert (steps <= 4).mean() >= 0.9
    named = [colours.nearest(pixel) for pixel in pixels[::32, ::32].reshape(-1, 3)]
    assert len(set(named)) <= 8


def test_prompts_fit_the_tokenizers_whole():
    """Twenty words and the design guidance fit. Capitals do not make another word."""
    words = "a small dark blue sailboat with a white flag on light blue waves in a round badge for our sailing club"
    assert len(words.split()) >= 20
    for tokenizer in (t5_tokenizer(), clip_tokenizer()):
        assert len(tokenizer(enhance(words)).input_ids) <= T5_LENGTH
        assert tokenizer("Green LEAF").input_ids == tokenizer("green leaf").input_ids


def test_logos_come_in_the_colours_that_were_asked_for(pipeline):
    """A small version of `python -m worker.mini.evaluate --brand`."""
    asked = brand_evaluation.branded_cases(evaluate.held_out_cases(3))
    pictures = sheet.draw_prompts(
        pipeline,
        [one.prompt for one in asked],
        seed=[one.case.seed for one in asked],
        enhanced=False,
        num_inference_steps=FEW_STEPS,
    )
    found = [brand_evaluation.judge(picture, one) for picture, one in zip(pictures, asked, strict=True)]
    assert all(min(one.share, one.ground, one.reported) >= brand_evaluation.SHARE_GOAL and one.vector for one in found)
    assert sum(one.symbol for one in found) >= 2
