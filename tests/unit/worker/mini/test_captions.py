"""Captions describe their logo, in many ways."""

from random import Random

import pytest

from worker.mini import captions, colours, logos, symbols
from worker.mini.containers import NOUNS
from worker.prompts import DESIGN_GUIDANCE


def a_logo(**changes):
    shape = logos.place("leaf", changes.pop("container", "circle"), 1)
    values = {"style": "one-colour", "colour": "green", "ground": "white", "page": "light gray"} | changes
    return logos.Logo(shape, **values)


def captions_of(logo, count=300, **options):
    rng = Random(3)
    return [captions.caption(logo, rng, **options).lower() for _ in range(count)]


def test_a_complete_caption_names_symbol_colours_and_container():
    for text in captions_of(a_logo(), complete=True):
        said = text.removesuffix(", " + DESIGN_GUIDANCE)
        assert any(noun in said for noun in symbols.NOUNS["leaf"])
        assert any(name in said for name in colours.SYNONYMS["green"])
        assert any(name in said for name in colours.SYNONYMS["white"])
        assert any(noun in said for noun in NOUNS["circle"])


def test_captions_vary_and_are_seeded():
    first = captions_of(a_logo())
    assert first == captions_of(a_logo())
    assert len(set(first)) > 250


def test_more_than_half_carry_the_guidance_text():
    share = sum(text.endswith(DESIGN_GUIDANCE) for text in captions_of(a_logo())) / 300
    assert 0.5 < share < 0.7


@pytest.mark.parametrize(("style", "second"), [("two-colour", "yellow"), ("gradient", "teal")])
def test_the_second_colour_is_named(style, second):
    for text in captions_of(a_logo(style=style, second=second), complete=True):
        assert any(name in text for name in colours.SYNONYMS[second])


def test_an_unusual_page_is_named_and_the_usual_one_is_not():
    usual = logos.page_for("circle", "green", "white")
    assert not any(
        "background" in t.removesuffix(DESIGN_GUIDANCE) for t in captions_of(a_logo(page=usual), complete=True)
    )
    for text in captions_of(a_logo(page="black"), complete=True):
        assert "black" in text
