"""One picture of all that was made of a logo, each on white, dark and a checkerboard; for `make demo`."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TILE, GAP, LABEL = 320, 24, 190  # pixels; LABEL: the width of the names at the left
GROUNDS = ("white", "dark", "checkerboard")
PAPER, INK = "#f4f4f2", "#333333"
# Of the zip of icons: those that differ most, each at the side at which it is shown.
ICONS = ("ios/AppIcon.appiconset/AppIcon-1024.png", "icon-512.png", "icon-512-maskable.png", "favicon.ico")


def save_sheet(saved: Sequence[Path], target: Path) -> None:
    """:param saved: the files of one job, as the client has named them."""
    rows = [(name, picture) for path in saved if (name := _row(path)) and (picture := _picture(path))]
    width = LABEL + len(GROUNDS) * (TILE + GAP) + GAP
    sheet = Image.new("RGB", (width, GAP * 2 + len(rows) * (TILE + GAP) + GAP), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    for column, ground in enumerate(GROUNDS):
        draw.text((LABEL + GAP + column * (TILE + GAP), GAP // 2), ground, INK, font)
    for row, (name, picture) in enumerate(rows):
        top = GAP * 2 + row * (TILE + GAP)
        draw.multiline_text((GAP, top + TILE // 2 - 20), name, INK, font)
        for column, ground in enumerate(GROUNDS):
            tile = _ground(ground)
            tile.alpha_composite(picture, ((TILE - picture.width) // 2, (TILE - picture.height) // 2))
            sheet.paste(tile.convert("RGB"), (LABEL + GAP + column * (TILE + GAP), top))
    sheet.save(target, optimize=True)


def _row(path: Path) -> str:
    """The row's name; empty for what has none."""
    ends = {"-transparent.png": "PNG,\ntransparent", ".png": "PNG", ".svg": "SVG", "-icons.zip": "icons"}
    return next((name for end, name in ends.items() if path.name.endswith(end)), "")


def _picture(path: Path) -> Image.Image | None:
    if path.suffix == ".svg":
        return _drawn(path)
    if path.suffix == ".zip":
        return _icons(path)
    return _fitted(Image.open(path))


def _fitted(picture: Image.Image, side: int = TILE - 2 * GAP) -> Image.Image:
    return picture.convert("RGBA").resize((side, side), Image.Resampling.LANCZOS)


def _drawn(path: Path) -> Image.Image | None:
    """An SVG, drawn by resvg; None without it: it belongs to the tests' environment, not to a server's."""
    try:
        import resvg_py  # noqa: PLC0415 - see above
    except ImportError:
        return None
    return _fitted(Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_path=str(path), width=2 * TILE)))))


def _icons(path: Path) -> Image.Image:
    """Some of the icons, as large as they fit in two rows."""
    tile, half = Image.new("RGBA", (TILE - 2 * GAP, TILE - 2 * GAP)), (TILE - 3 * GAP) // 2
    with zipfile.ZipFile(path) as bundle:
        found = [name for name in ICONS if name in bundle.namelist()]
        for at, name in enumerate(found):
            icon = Image.open(io.BytesIO(bundle.read(name))).convert("RGBA")
            icon.thumbnail((half, half), Image.Resampling.LANCZOS)
            left, top = at % 2 * (half + GAP), at // 2 * (half + GAP)
            tile.alpha_composite(icon, (left + (half - icon.width) // 2, top + (half - icon.height) // 2))
    return tile


def _ground(name: str) -> Image.Image:
    tile = Image.new("RGBA", (TILE, TILE), {"white": "#ffffff", "dark": "#1b2433"}.get(name, "#ffffff"))
    if name == "checkerboard":
        draw, side = ImageDraw.Draw(tile), 16
        for at in range((TILE // side) ** 2):
            column, row = at % (TILE // side), at // (TILE // side)
            if (column + row) % 2:
                draw.rectangle((column * side, row * side, column * side + side - 1, row * side + side - 1), "#cfcfcf")
    return tile
