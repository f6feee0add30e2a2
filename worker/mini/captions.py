"""Captions of a logo: what people might write to get it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.mini import colours, containers, logos, symbols, wordings
from worker.prompts import enhance

if TYPE_CHECKING:
    from random import Random

    from worker.mini.logos import Logo

# The shares of captions that are nonsense, that name something else than the symbol, and that name no colour.
NONSENSE, UNKNOWN_SYMBOL, NO_COLOUR = 0.01, 0.03, 0.03
ENHANCED = 0.6


def caption(logo: Logo, rng: Random, *, complete: bool = False) -> str:
    """`complete`: no nonsense, no other symbol and no missing colour."""
    if not complete and rng.random() < NONSENSE:
        text = nonsense(rng)
    else:
        text = _scene(logo, rng, complete=complete)
        text = _filled(text, rng)
    if rng.random() < 0.15:  # noqa: PLR2004 - as people write
        text = rng.choice((text.capitalize(), text.capitalize() + ".", text.title(), text + "."))
    return enhance(text) if rng.random() < ENHANCED else text


def nonsense(rng: Random) -> str:
    return " ".join(rng.choice((brand(rng), rng.choice(wordings.UNKNOWN))) for _ in range(rng.randint(1, 4)))


def brand(rng: Random) -> str:
    """A name that is in no list of words, so that the text encoders learn words that are split into pieces."""
    name = "".join(rng.choice(wordings.SYLLABLES) for _ in range(rng.randint(1, 3)))
    return name + rng.choice(wordings.SYLLABLE_ENDS)


def _scene(logo: Logo, rng: Random, *, complete: bool) -> str:
    shape = logo.shape
    symbol = _article(_symbol(logo, rng, complete=complete), rng)
    ground = rng.choice(colours.SYNONYMS[logo.ground])
    if shape.container == "none":
        unsaid = logo.ground == logos.plain_page(logo.colour)
        if unsaid and rng.random() < 0.65:  # noqa: PLR2004 - few name a plain page
            return symbol
        return _joined(symbol, rng.choice(wordings.ON_PAGE).format(ground), rng)
    noun = rng.choice(containers.NOUNS[shape.container])
    container = f"{ground} {noun}" if rng.random() < 0.92 else f"{noun} in {ground}"  # noqa: PLR2004 - the usual order
    forms: tuple[str, ...] = wordings.IN_CONTAINER
    if shape.container == "ring" and rng.random() < 0.4:  # noqa: PLR2004 - a ring has forms of its own
        forms = wordings.IN_RING
    text = rng.choice(forms).format(symbol=symbol, container=_article(container, rng))
    if logo.page == logos.page_for(shape.container, logo.colour, logo.ground):
        return text
    return _joined(text, rng.choice(wordings.ON_PAGE).format(rng.choice(colours.SYNONYMS[logo.page])), rng)


def _symbol(logo: Logo, rng: Random, *, complete: bool) -> str:
    nouns = symbols.NOUNS[logo.shape.symbol]
    noun = nouns[0] if rng.random() < 0.4 else rng.choice(nouns)  # noqa: PLR2004 - the plain noun is the usual one
    if not complete and rng.random() < UNKNOWN_SYMBOL:
        noun = rng.choice((brand(rng), rng.choice(wordings.UNKNOWN)))
    if not complete and rng.random() < NO_COLOUR:
        text = noun
    else:
        names = [rng.choice(colours.SYNONYMS[name]) for name in (logo.colour, logo.second) if name]
        forms = {"one-colour": wordings.ONE_COLOUR, "two-colour": wordings.TWO_COLOUR, "gradient": wordings.GRADIENT}
        text = rng.choice(forms[logo.style]).format(*names, noun=noun)
    if logo.shape.size in wordings.SIZE_WORDS and rng.random() < 0.3:  # noqa: PLR2004 - sizes are seldom named
        text = f"{rng.choice(wordings.SIZE_WORDS[logo.shape.size])} {text}"
    if rng.random() < 0.2:  # noqa: PLR2004 - adjectives are seldom needed
        text = f"{rng.choice(wordings.ADJECTIVES)} {text}"
    return text


def _article(text: str, rng: Random) -> str:
    article = "an" if text[0] in "aeiou" else "a"
    return rng.choices((f"{article} {text}", text, f"the {text}", f"one {text}"), (0.7, 0.24, 0.04, 0.02))[0]


def _joined(scene: str, page: str, rng: Random) -> str:
    return rng.choice((f"{scene} {page}", f"{scene} {page}", f"{scene}, {page}", f"{page}, {scene}"))


def _filled(text: str, rng: Random) -> str:
    """The text with or without an opening before it, a purpose around it and closings after it."""
    if rng.random() < 0.3:  # noqa: PLR2004 - each of these is in less than half of all prompts
        text = f"{rng.choice(wordings.OPENINGS)} {text}"
    if rng.random() < 0.12:  # noqa: PLR2004
        called = f" called {brand(rng)}" if rng.random() < 0.4 else ""  # noqa: PLR2004
        whom = f"for a {rng.choice(wordings.FOR_WHOM)}{called}"
        text = rng.choice((f"{text} {whom}", f"{text}, {whom}", f"logo {whom}: {text}", f"logo {whom}, {text}"))
    for _ in range(rng.choices((0, 1, 2), (0.7, 0.22, 0.08))[0]):
        text = f"{text}, {rng.choice(wordings.CLOSINGS)}"
    return text
