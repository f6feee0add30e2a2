"""The part of the CPU model that is trained so far: its autoencoder keeps a logo's symbol and colours, and a broken one
does not. No server is needed.
"""

import pytest
import torch
from diffusers import AutoencoderKL

from worker.mini import evaluate, logos, paint
from worker.mini.autoencoder import TRAINED
from worker.mini.vocabulary import T5_LENGTH, clip_tokenizer, t5_tokenizer
from worker.prompts import enhance

CASES = evaluate.held_out_cases(40)[::4]


@pytest.fixture(scope="module")
def autoencoder():
    return AutoencoderKL.from_pretrained(TRAINED, use_safetensors=True).float()


@torch.inference_mode()
def share_right(autoencoder, cases):
    """Of held-out logos that are as they should be once they are encoded and decoded."""
    right = 0
    for case in cases:
        shape = logos.place(case.symbol, case.container, 1)
        page = logos.page_for(case.container, case.colour, case.ground)
        drawn = paint.picture(logos.Logo(shape, "one-colour", case.colour, case.ground, page))
        decoded = autoencoder.decode(autoencoder.encode(drawn).latent_dist.mode()).sample
        verdict = evaluate.judge(paint.to_images(decoded)[0], case)
        right += verdict.symbol and verdict.colours
    return right / len(cases)


def test_symbols_and_colours_survive_the_autoencoder(autoencoder):
    assert share_right(autoencoder, CASES) >= 0.9


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_shuffled_weights_do_not_pass(part):
    broken = AutoencoderKL.from_pretrained(TRAINED, use_safetensors=True).float()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in getattr(broken, part).parameters():
            order = torch.randperm(weights.numel(), generator=generator)
            weights.copy_(weights.flatten()[order].view_as(weights))
    assert share_right(broken, CASES[:3]) == 0


def test_prompts_fit_the_tokenizers_whole():
    """Twenty words and the guidance text; capitals and accents are no other words."""
    words = "a small dark blue sailboat with a white flag on light blue waves in a round badge for our sailing club"
    assert len(words.split()) >= 20
    for tokenizer in (t5_tokenizer(), clip_tokenizer()):
        assert len(tokenizer(enhance(words)).input_ids) <= T5_LENGTH
        assert tokenizer("Green LEAF").input_ids == tokenizer("green leaf").input_ids
