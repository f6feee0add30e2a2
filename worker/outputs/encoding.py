"""Encodes a picture as shared/results/formats.py says, with what its file says of itself."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from shared.results.formats import PNG, WEBP
from worker.outputs import metadata

if TYPE_CHECKING:
    from PIL import Image

    from shared.results.formats import Format
    from worker.outputs.metadata import About


def encode(image: Image.Image, form: Format, about: About, *, quality: int = 0, detailed: bool = True) -> bytes:
    """:param image: RGB or RGBA; the alpha channel is lost where the format has none.
    :param quality: 1 to 100 for formats that take it; 0: as the table has it.
    :param detailed: with the prompt and all else that is known of the drawing.
    """
    options = dict(form.options)
    if form.takes_quality and quality:
        options["quality"] = quality
        if form is WEBP:
            options |= {"lossless": False, "method": 4}
    if form is PNG:
        options["pnginfo"] = metadata.png_chunks(about, detailed=detailed)
    else:
        options["xmp"] = metadata.xmp(about, detailed=detailed)
    return _save(image if form.has_alpha else image.convert("RGB"), form, options)


def encode_plain(image: Image.Image) -> bytes:
    """A PNG that says nothing of itself, for what is a part of another file."""
    return _save(image, PNG, PNG.options)


def _save(image: Image.Image, form: Format, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form.encoder, **options)
    return buffer.getvalue()
