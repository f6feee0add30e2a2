"""How much room a job's images and files take, counted in pixels of a plain PNG: for the bound of a request
(shared/schemas.py), for the room in Redis (shared/ledger/room.py) and for what an hour is planned for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.canvas import Canvas
from shared.results.formats import FORMATS, ICONS, LOGO, PNG, SHEET, SVG, split_file_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.outputs import Outputs
    from shared.results.formats import Format

# A pixel of a plain PNG takes at most three bytes. One that is transparent takes no more: it is of a plain ground.
BYTES_PER_PIXEL = 3
LOSSY = 0.5  # of a picture that may lose something
# What an SVG and a set of icons may take: 192 KiB and 3 MB. Larger files are left out with a warning.
SVG_PIXELS, ICONS_PIXELS = 2**16, 1_000_000
SHEET_PIXELS = 1_300_000  # two rows and columns of worker/outputs/sheet.py, with their captions
# What a small file has beside its pixels, such as content credentials.
REST_BYTES = 16 * 1024


def pixels(sizes: Iterable[Canvas | int], num_images: int, outputs: Outputs) -> int:
    """Of all images and files of a job. Without other outputs these are the pixels of its PNGs."""
    once = SVG_PIXELS * (SVG.name in outputs.formats) + ICONS_PIXELS * outputs.icons
    further = [FORMATS[name] for name in outputs.formats if name not in (PNG.name, SVG.name)]
    pictures = 1 + outputs.transparent + sum(_weight(form, outputs.quality) for form in further)
    each = round(pictures * sum(size.pixels for size in {Canvas.of(size) for size in sizes}))
    return SHEET_PIXELS * outputs.sheet + num_images * (once + each)


def most_bytes(file_name: str, quality: int) -> int:
    """The most bytes that this file of a job may have. `quality`: as in `Outputs`."""
    stem, form = split_file_name(file_name)
    name = stem.partition("-")[0]
    if name in (own := {LOGO: SVG_PIXELS, ICONS: ICONS_PIXELS, SHEET: SHEET_PIXELS}):
        return own[name] * BYTES_PER_PIXEL
    return round(Canvas.named(name).pixels * BYTES_PER_PIXEL * _weight(form, quality)) + REST_BYTES


def _weight(form: Format, quality: int) -> float:
    return LOSSY if not form.lossless or (form.takes_quality and quality) else 1
