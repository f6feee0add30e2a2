"""Turns raw pixels into finished images: resamples them and encodes them as shared/results/formats.py says."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from PIL import Image

from shared.results.formats import PNG
from shared.results.places import image_name

if TYPE_CHECKING:
    from shared.results.formats import Format


def encode_images(
    pixels: bytes, width: int, height: int, sizes: tuple[int, ...], formats: tuple[Format, ...] = (PNG,)
) -> dict[str, str]:
    """A base64 image for each distinct size and format of each image, by `Format.part_name`, resampled with LANCZOS.

    :raises ValueError: `pixels` does not hold whole RGB images.
    """
    length = width * height * 3
    if not pixels or len(pixels) % length:
        raise ValueError(f"{len(pixels)} bytes are not whole RGB images of {width} x {height}")
    encoded: dict[str, str] = {}
    for index in range(len(pixels) // length):
        drawn = Image.frombytes("RGB", (width, height), pixels[index * length : (index + 1) * length])
        for size in sorted(set(sizes)):
            image = drawn if drawn.size == (size, size) else drawn.resize((size, size), Image.Resampling.LANCZOS)
            encoded |= {form.part_name(image_name(size, index)): _encode(image, form) for form in formats}
    return encoded


def _encode(image: Image.Image, form: Format) -> str:
    buffer = io.BytesIO()
    image.save(buffer, form.encoder, **form.options)
    return base64.b64encode(buffer.getvalue()).decode()
