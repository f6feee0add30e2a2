"""The formats of finished images: the table by which the finisher encodes them and the API serves them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.results.places import image_name

if TYPE_CHECKING:
    from shared.canvas import Canvas


@dataclass(frozen=True, slots=True)
class Format:
    name: str  # the extension of the file name
    media_type: str
    encoder: str = ""  # the name of Pillow's plugin; empty for what Pillow does not write
    options: dict[str, object] = field(default_factory=dict)  # the plugin's parameters
    takes_quality: bool = False  # from 1 to 100, lossy then
    lossless: bool = False  # without a quality; it may take as much as a PNG, others take half
    has_alpha: bool = True

    def file_name(self, image_name: str) -> str:
        return f"{image_name}.{self.name}"

    def part_name(self, image_name: str) -> str:
        """The name under which the store keeps it; a plain PNG has its bare name, as the API's `images` has it."""
        plain = self is PNG and not image_name.endswith(TRANSPARENT) and image_name != SHEET
        return image_name if plain else self.file_name(image_name)


# Run lengths after PNG's filters: twice as fast as the default, and no larger (docs/decisions/0021-png-encoder.md).
PNG = Format("png", "image/png", "PNG", {"compress_type": zlib.Z_RLE}, lossless=True)
# Lossless, where `quality` is the effort: more of it saves little of flat pictures.
WEBP = Format(
    "webp", "image/webp", "WEBP", {"lossless": True, "quality": 20, "method": 1}, takes_quality=True, lossless=True
)
# Colours at full resolution: the edges of a logo are those of its colours.
JPEG = Format(
    "jpeg", "image/jpeg", "JPEG", {"quality": 90, "subsampling": "4:4:4"}, takes_quality=True, has_alpha=False
)
AVIF = Format("avif", "image/avif", "AVIF", {"quality": 75, "subsampling": "4:4:4", "speed": 8}, takes_quality=True)
SVG = Format("svg", "image/svg+xml")
ZIP = Format("zip", "application/zip")
# The formats in which a job's images can be fetched.
FORMATS: dict[str, Format] = {known.name: known for known in (PNG, WEBP, JPEG, AVIF, SVG, ZIP)}

TRANSPARENT = "-transparent"
LOGO, ICONS, SHEET = "logo", "icons", "sheet"  # the names, for `image_name`, of what has no size of its own

_RASTER = "|".join(form.name for form in (WEBP, JPEG, AVIF))
# `SIZE.png`, such as `512.png` and `1536x512.png`, or for further variations `SIZE-2.png` and so on;
# `SIZE-transparent.png`, `SIZE.webp`, `logo.svg` and `icons.zip` likewise. `sheet.png` is of all of them.
FILE_NAME_PATTERN = (
    rf"^([0-9]{{2,4}}(x[0-9]{{2,4}})?(-[2-9])?(({TRANSPARENT})?\.{PNG.name}|\.({_RASTER}))"
    rf"|{LOGO}(-[2-9])?\.{SVG.name}|{ICONS}(-[2-9])?\.{ZIP.name}|{SHEET}\.{PNG.name})$"
)


def split_file_name(file_name: str) -> tuple[str, Format]:
    """The image's name and its format.

    :raises KeyError: the extension names no format.
    """
    stem, _, extension = file_name.rpartition(".")
    return stem, FORMATS[extension]


def transparent_name(size: Canvas | int | str, index: int) -> str:
    return image_name(size, index) + TRANSPARENT
