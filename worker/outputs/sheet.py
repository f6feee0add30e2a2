"""A picture of all variations of a logo, to choose one from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence

# Pixels; shared/results/footprint.py has the room for two rows and columns of these.
TILE, GAP, CAPTION = 512, 16, 28
PAPER, INK = (244, 244, 242), (51, 51, 51)


def tile(drawn: Image.Image) -> Image.Image:
    """A drawing as the sheet shows it; the larger side is TILE at most."""
    scale = min(1.0, TILE / max(drawn.size))
    size = (max(1, round(drawn.width * scale)), max(1, round(drawn.height * scale)))
    return drawn if size == drawn.size else drawn.resize(size, Image.Resampling.LANCZOS)


def sheet(tiles: Sequence[Image.Image], captions: Sequence[str]) -> Image.Image:
    """Two columns, in the order of the variations."""
    width, height = max(one.width for one in tiles) + GAP, max(one.height for one in tiles) + GAP + CAPTION
    rows = -(-len(tiles) // 2)
    picture = Image.new("RGB", (2 * width + GAP, rows * height + GAP), PAPER)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(16)
    for number, (one, caption) in enumerate(zip(tiles, captions, strict=True)):
        left, top = GAP + number % 2 * width, GAP + number // 2 * height
        picture.paste(one, (left, top))
        draw.text((left, top + one.height + 4), caption, INK, font)
    return picture
