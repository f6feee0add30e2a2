"""What the model is told: the prompt with its colours, its text and its style, and the design guidance behind it,
unless the request says `enhance=false`. Styles' words are in shared/styles/table.py, colours' names beside them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.styles.colours import names_of
from shared.styles.table import PROMPT

DESIGN_GUIDANCE = (
    "professional logo, clean flat vector style, one centered icon, simple high-contrast palette, "
    "crisp edges, plain background, no text"
)
# By layout: how the text comes into the scene, and what replaces "one centered icon" in the guidance.
LAYOUTS: dict[str, tuple[str, str]] = {
    "wordmark": ('a wordmark, the text "{text}" in bold lettering, {scene}', "centered, legible lettering"),
    "combination": ('{scene}, with the text "{text}" below it', "one icon above its text, centered, legible lettering"),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request says of its logo."""

    prompt: str
    enhance: bool = True
    template: str = ""  # of its style
    text: str = ""
    layout: str = ""
    colors: tuple[str, ...] = ()
    background_color: str = ""


@dataclass(frozen=True, slots=True)
class Composed:
    text: str
    start: int  # the characters before the end of the request's own prompt that are not its own


def compose(wish: Wish) -> Composed:
    if wish == Wish(wish.prompt, enhance=False):
        return Composed(wish.prompt, 0)
    subject = wish.prompt.rstrip(" .,;")
    scene = _coloured(subject, wish)
    layout, placed = LAYOUTS.get(wish.layout, ("{scene}", "one centered icon")) if wish.text else ("{scene}", "")
    # The quotation marks are the layout's own.
    parts = {"{text}": wish.text.replace('"', "'"), "{scene}": scene}
    scene = re.sub(r"\{(text|scene)\}", lambda found: parts[found[0]], layout)
    scene = wish.template.replace(PROMPT, scene, 1) if wish.template else scene
    guidance = _guidance(wish, placed)
    text = f"{scene}, {guidance}" if guidance else scene
    own = _parts(subject)[1]
    return Composed(text, max(0, text.find(own) + len(own) - len(subject)))


def enhance(prompt: str) -> str:
    return compose(Wish(prompt)).text


def _coloured(subject: str, wish: Wish) -> str:
    """Colours stand before what has them, as in "a teal fox in a circle": behind it they might be the circle's."""
    named, behind = names_of(wish.colors, wish.background_color)
    if named:
        words = " and ".join(filter(None, (", ".join(named[:-1]), named[-1])))
        article, thing = _parts(subject)
        subject = f"{_article(words, article)} {words} {thing}" if article else f"{subject} in {words}"
    if behind:
        subject += f" on {_article(behind)} {behind} background"
    return subject


def _parts(subject: str) -> tuple[str, str]:
    """The article that a prompt begins with, and the rest."""
    found = re.match(r"(?is)(a|an|the)\s+(?=\S)(.*)", subject)
    return (found[1], found[2]) if found else ("", subject)


def _article(word: str, given: str = "a") -> str:
    if given.lower() == "the":
        return given
    return given[0] + ("n" if word[0] in "aeiou" else "")


def _guidance(wish: Wish, placed: str) -> str:
    if not wish.enhance:
        return ""
    if not (wish.template or wish.text):
        return DESIGN_GUIDANCE
    style = "" if wish.template else "clean flat vector style"
    palette = "" if wish.colors else "simple high-contrast palette"
    words = "no other text" if wish.text else "no text"
    parts = (
        "professional logo",
        style,
        placed or "one centered icon",
        palette,
        "crisp edges",
        "plain background",
        words,
    )
    return ", ".join(filter(None, parts))
