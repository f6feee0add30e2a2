"""What the CPU model can draw: each symbol's drawing and the nouns that people use for it."""

from __future__ import annotations

from functools import partial
from string import ascii_uppercase
from typing import TYPE_CHECKING

from PIL import ImageDraw, ImageFont

from worker.mini.symbols import animals, nature, objects
from worker.mini.symbols.pen import INK, Pen

if TYPE_CHECKING:
    from collections.abc import Callable

# The key is the symbol's name and its first noun.
NOUNS: dict[str, tuple[str, ...]] = {
    "star": ("star",),
    "leaf": ("leaf", "plant leaf"),
    "mountain": ("mountain", "mountains", "mountain peak", "peak"),
    "flame": ("flame", "fire", "blaze", "flames"),
    "drop": ("drop", "water drop", "droplet", "raindrop"),
    "tree": ("tree", "oak", "oak tree"),
    "pine": ("pine", "pine tree", "fir", "fir tree", "evergreen"),
    "flower": ("flower", "blossom", "daisy"),
    "tulip": ("tulip",),
    "clover": ("clover", "shamrock"),
    "sun": ("sun", "sunshine"),
    "moon": ("moon", "crescent", "crescent moon", "half moon"),
    "cloud": ("cloud",),
    "wave": ("wave", "waves", "water", "ocean waves"),
    "snowflake": ("snowflake", "snow crystal"),
    "mushroom": ("mushroom", "toadstool"),
    "apple": ("apple",),
    "cherry": ("cherry", "cherries"),
    "cactus": ("cactus",),
    "fox": ("fox", "fox head", "fox face"),
    "cat": ("cat", "cat head", "kitten", "cat face"),
    "bear": ("bear", "bear head", "teddy bear"),
    "rabbit": ("rabbit", "bunny", "rabbit head", "hare"),
    "owl": ("owl",),
    "bird": ("bird", "songbird", "sparrow"),
    "fish": ("fish",),
    "whale": ("whale",),
    "butterfly": ("butterfly",),
    "paw": ("paw", "paw print", "dog paw"),
    "snail": ("snail",),
    "bolt": ("bolt", "lightning bolt", "lightning", "thunderbolt"),
    "heart": ("heart", "love heart"),
    "shield": ("shield", "shield emblem", "coat of arms"),
    "cup": ("cup", "coffee cup", "mug", "coffee", "tea cup"),
    "book": ("book", "open book"),
    "gear": ("gear", "cog", "cogwheel", "gear wheel"),
    "key": ("key",),
    "crown": ("crown", "royal crown"),
    "house": ("house", "home", "cottage"),
    "umbrella": ("umbrella", "parasol"),
    "anchor": ("anchor", "ship anchor"),
    "arrow": ("arrow", "right arrow"),
    "bell": ("bell",),
    "diamond": ("diamond", "gem", "gemstone", "jewel"),
    "eye": ("eye",),
    "camera": ("camera", "photo camera"),
    "rocket": ("rocket", "spaceship", "rocket ship"),
    "boat": ("boat", "sailboat", "sailing boat", "ship"),
    "lock": ("lock", "padlock"),
    "bulb": ("bulb", "light bulb", "lightbulb", "lamp"),
    "note": ("note", "music note", "musical note"),
    "hourglass": ("hourglass", "sand clock"),
    "plane": ("plane", "paper plane", "airplane"),
    "car": ("car", "automobile"),
    "envelope": ("envelope", "letter envelope", "mail"),
    "plus": ("plus", "cross", "plus sign"),
    "triangle": ("triangle",),
    "flag": ("flag", "banner"),
    "chat": ("chat bubble", "speech bubble", "chat"),
    "magnifier": ("magnifier", "magnifying glass", "search icon"),
    "hammer": ("hammer",),
    "trophy": ("trophy", "winner cup", "award"),
}
_MODULES = (nature, animals, objects)
PICTURES = tuple(NOUNS)
LETTERS = tuple(f"letter {letter.lower()}" for letter in ascii_uppercase)
SYMBOLS = PICTURES + LETTERS
NOUNS.update(
    {name: tuple(f"{kind} {name[-1]}" for kind in ("letter", "letter", "initial", "capital")) for name in LETTERS}
)


def draw_symbol(name: str, pen: Pen) -> None:
    drawing(name)(pen)


def drawing(name: str) -> Callable[[Pen], None]:
    if name in LETTERS:
        return partial(_letter, name[-1].upper())
    draw: Callable[[Pen], None] = next(getattr(module, name) for module in _MODULES if hasattr(module, name))
    return draw


def _letter(letter: str, pen: Pen) -> None:
    """Draws the letter about 0.9 of the unit square high, in Pillow's own font, made bold by a stroke."""
    brush = pen.body
    font = ImageFont.load_default(brush.scale * 2.15)
    draw = ImageDraw.Draw(brush.layer)
    width = round(brush.scale * 0.09)
    left, top, right, bottom = draw.textbbox((0, 0), letter, font, stroke_width=width)
    place = (brush.centre[0] - (left + right) / 2, brush.centre[1] - (top + bottom) / 2)
    draw.text(place, letter, INK, font, stroke_width=width)
