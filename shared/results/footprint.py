"""How much room a job's images and files take, counted in pixels of a plain PNG: for the bound of a request
(shared/schemas.py), for the room in Redis (shared/ledger/room.py) and for what an hour is planned for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.results.formats import FORMATS, ICONS, LOGO, PNG, SVG, split_file_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.outputs import Outputs

# A pixel of a plain PNG takes at most three bytes; one with an alpha channel takes a third more.
BYTES_PER_PIXEL = 3
ALPHA = 4 / 3
# What an SVG and a set of icons may take at most, 192 KiB and 6 MB; larger ones are left out with a warning.
SVG_PIXELS, ICONS_PIXELS = 2**16, 2_000_000
# What a small file has beside its pixels, such as content credentials.
REST_BYTES = 16 * 1024


def pixels(sizes: Iterable[int], num_images: int, outputs: Outputs) -> int:
    """Of all images and files of a job. Without other outputs these are the pixels of its PNGs."""
    once = SVG_PIXELS * (SVG.name in outputs.formats) + ICONS_PIXELS * outputs.icons
    return num_images * (once + round(_pictures(outputs) * sum(size**2 for size in set(sizes))))


def _pictures(outputs: Outputs) -> float:
    """How many pictures of each size are made, one with an alpha channel counted as it takes room."""
    further = [FORMATS[name] for name in outputs.formats if name not in (PNG.name, SVG.name)]
    of_formats = sum(ALPHA if outputs.transparent and form.has_alpha else 1 for form in further)
    return 1 + of_formats + ALPHA * outputs.transparent


def most_bytes(file_name: str) -> int:
    """The most bytes that this file of a job may have."""
    stem, form = split_file_name(file_name)
    name = stem.partition("-")[0]
    if name in (LOGO, ICONS):
        return (SVG_PIXELS if name == LOGO else ICONS_PIXELS) * BYTES_PER_PIXEL
    return round(int(name) ** 2 * BYTES_PER_PIXEL * (ALPHA if form.has_alpha else 1)) + REST_BYTES
