"""Raw pixels to PNGs."""

from __future__ import annotations

import base64
import io

from PIL import Image


def encode(pixels: bytes, width: int, height: int, sizes: tuple[int, ...]) -> dict[int, str]:
    """A base64 PNG for each distinct size, resampled with LANCZOS from the one image that was drawn."""
    drawn = Image.frombytes("RGB", (width, height), pixels)
    return {size: _png(drawn, size) for size in sorted(set(sizes))}


def _png(drawn: Image.Image, size: int) -> str:
    image = drawn if drawn.size == (size, size) else drawn.resize((size, size), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
