import pytest

from shared.styles.table import BUILT_IN, PROMPT
from worker.prompts import DESIGN_GUIDANCE, Wish, compose, enhance

TEAL, GOLD, CREAM = "#0a7b83", "#c8961e", "#f4ebd9"


def test_the_guidance_follows_the_prompt():
    assert enhance("a red fox. ") == f"a red fox, {DESIGN_GUIDANCE}"


def test_a_prompt_that_is_not_to_be_enhanced_stays_as_it_is():
    assert compose(Wish("a red fox. ", enhance=False)).text == "a red fox. "


@pytest.mark.parametrize(
    ("colors", "background", "words"),
    [
        ((TEAL,), "", "a teal fox"),
        ((TEAL, GOLD), CREAM, "a teal and gold fox on a beige background"),
        ((TEAL, GOLD, "#000000"), "", "a teal, gold and black fox"),
        ((), "#ff8000", "a fox on an orange background"),
        (("#0a7b83", "#0b8f80"), "", "a teal fox"),
    ],
)
def test_colours_are_called_by_their_nearest_names(colors, background, words):
    assert compose(Wish("a fox", colors=colors, background_color=background)).text == f"{words}, {DESIGN_GUIDANCE}"
    assert compose(Wish("a fox.", enhance=False, colors=colors, background_color=background)).text == words


def test_a_ground_has_another_name_than_what_stands_on_it():
    """What is named teal on teal would not be seen."""
    text = compose(Wish("a fox", enhance=False, colors=(TEAL,), background_color="#0a5c62")).text
    assert text.startswith("a teal fox on a ")
    assert "teal background" not in text


@pytest.mark.parametrize("style", BUILT_IN, ids=lambda style: style.name)
def test_each_style_says_its_words_and_nothing_against_them(style):
    assert style.template.count(PROMPT) == 1
    text = compose(Wish("a fox", template=style.template)).text
    assert text.startswith(style.template.replace(PROMPT, "a fox"))
    assert text.endswith("plain background, no text")
    assert "flat vector style" not in text


@pytest.mark.parametrize(
    ("layout", "start"), [("combination", 'a fox, with the text "Nord"'), ("wordmark", "a wordmark")]
)
def test_a_text_is_asked_for_and_no_other(layout, start):
    text = compose(Wish("a fox", text="Nord", layout=layout)).text
    assert text.startswith(start)
    assert '"Nord"' in text
    assert text.endswith("no other text")
    assert "one centered icon" not in text


def test_what_callers_write_is_taken_as_it_is():
    """Braces and quotation marks of theirs mean nothing."""
    wish = Wish("a {text} {prompt} fox", text='the {scene} "x"', layout="wordmark", template="in {prompt} style")
    text = compose(wish).text
    assert text.startswith("in a wordmark, the text \"the {scene} 'x'\" in bold lettering, a {text} {prompt} fox style")


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("The Fox", "The orange Fox"),
        ("A fox", "An orange fox"),
        ("an owl", "an orange owl"),
        ("foxes", "foxes in orange"),
        ("a", "a in orange"),
        ("anchor", "anchor in orange"),
    ],
)
def test_a_colour_stands_behind_the_article(prompt, words):
    assert compose(Wish(prompt, enhance=False, colors=("#ff8000",))).text == words


def test_it_is_known_where_the_prompt_begins():
    composed = compose(Wish("a fox", text="Nord", layout="wordmark"))
    assert composed.text[composed.start :].startswith("a fox")
    assert compose(Wish("a fox")).start == 0
    composed = compose(Wish("a fox", colors=(TEAL,)))
    assert composed.text[: composed.start + len("a fox")] == "a teal fox"
