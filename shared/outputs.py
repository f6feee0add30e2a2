"""What a job asks to be made of each drawing, beside the plain PNGs that are always made. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outputs:
    """With `transparent` the WebP, AVIF and SVG have no ground, and each size has a transparent PNG beside the opaque
    one; JPEG has no transparency, so the two exclude each other.
    """

    formats: tuple[str, ...] = ("png",)  # of png, webp, jpeg, avif, svg (shared/results/formats.py)
    quality: int = 0  # 1 to 100 for webp, jpeg and avif; 0: webp lossless, and the format's default for jpeg and avif
    transparent: bool = False
    holes: str = "keep"  # keep or cut: areas of the ground's colour that the drawing encloses
    icons: bool = False  # a zip with icons for the web, Android, iOS and macOS
    colors: tuple[str, ...] = ()  # `#rrggbb`, which the drawing's symbol gets, and so all that is made of it
    background_color: str = ""  # `#rrggbb`, likewise of its ground
    sheet: bool = False  # a picture of all variations
