"""`python -m worker.mini.style_pictures`: draws the pictures of the built-in styles, or of those that are named behind
it, with the CPU model, for `GET /api/styles`; and the sheet of all of them in docs/images/styles.png.

That model knows flat shapes only, so that what a picture shows of its style is in the example's own words.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from shared.styles.table import BUILT_IN, PICTURES
from worker.mini.sheet import contact_sheet, draw_prompts, load
from worker.prompts import Wish, compose

if TYPE_CHECKING:
    from shared.styles.table import Style

SIDE, QUALITY, SEED = 256, 80, 4
SHEET = Path("docs/images/styles.png")


def prompt_of(style: Style) -> str:
    return compose(Wish(style.example, template=style.template)).text


def main() -> None:
    named = sys.argv[1:] or [style.name for style in BUILT_IN]
    wanted = [style for style in BUILT_IN if style.name in named]
    seeds = [SEED + number for number, style in enumerate(BUILT_IN) if style in wanted]
    pictures = draw_prompts(load(), [prompt_of(style) for style in wanted], seed=seeds, enhanced=False)
    for style, picture in zip(wanted, pictures, strict=True):
        picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(_path(style), "WEBP", quality=QUALITY, method=6)
    shown = [Image.open(_path(style)).convert("RGB") for style in BUILT_IN]
    contact_sheet(shown, [f"{style.name}: {style.example}" for style in BUILT_IN]).save(SHEET, optimize=True)


def _path(style: Style) -> Path:
    return PICTURES / f"{style.name}.webp"


if __name__ == "__main__":
    main()
