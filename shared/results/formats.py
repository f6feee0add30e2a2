"""The formats of finished images: the table by which the finisher encodes them and the API serves them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Format:
    name: str  # the extension of the file name
    media_type: str
    encoder: str  # the name of Pillow's plugin
    options: dict[str, object] = field(default_factory=dict)  # the plugin's parameters

    def file_name(self, image_name: str) -> str:
        return f"{image_name}.{self.name}"

    def part_name(self, image_name: str) -> str:
        """The name under which the store keeps the image; a PNG has its bare name, as the API's `images` has it."""
        return image_name if self is PNG else self.file_name(image_name)


PNG = Format("png", "image/png", "PNG")
# The formats in which a job's images can be fetched.
FORMATS: dict[str, Format] = {known.name: known for known in (PNG,)}

# `SIZE.png`, or for further variations `SIZE-2.png` and so on.
FILE_NAME_PATTERN = rf"^[0-9]{{2,4}}(-[2-9])?\.({'|'.join(map(re.escape, FORMATS))})$"


def split_file_name(file_name: str) -> tuple[str, Format]:
    """The image's name and its format.

    :raises KeyError: the extension names no format.
    """
    stem, _, extension = file_name.rpartition(".")
    return stem, FORMATS[extension]
