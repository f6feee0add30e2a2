"""Images that come with requests: checked, turned upright, converted and bounded, before anything of them is stored.

What the header says is checked before a pixel is decoded, and one image at a time is decoded in a process, so that no
file takes more memory than MAX_PIXELS do.
"""

from __future__ import annotations

import asyncio
import io
import struct
import zlib

from PIL import Image, ImageOps, ImageStat, UnidentifiedImageError

from shared import errors
from shared.canvas import Canvas

MAX_BYTES = 8 * 2**20
MIN_SIDE, MAX_SIDE = 16, 8192
MAX_PIXELS = 2**24
MEDIA_TYPES = ("image/png", "image/jpeg", "image/webp")
_FORMATS = ("PNG", "JPEG", "WEBP")
# An aspect that differs by less is made the asked one by a cut of the edges; any other image is padded.
CUT = 1.03
_WHITE = (255, 255, 255)
_one_at_a_time = asyncio.Semaphore(1)


async def prepare(data: bytes, canvas: Canvas | None) -> tuple[bytes, Canvas]:
    """The image as an RGB PNG, and `canvas`.

    :param canvas: of the picture that is asked for: the PNG has this aspect, and is no larger. Where the image has
        another, it is padded with the colour of its border. None: the nearest to the image's.
    :raises errors.InvalidRequest: it is no image, none that is taken, or cut short.
    """
    async with _one_at_a_time:
        return await asyncio.to_thread(_prepare, data, canvas)


def _prepare(data: bytes, canvas: Canvas | None) -> tuple[bytes, Canvas]:
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            _check(image)
            upright = _decoded(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise errors.InvalidRequest(f"image: more than {MAX_PIXELS} pixels") from None
    except UnidentifiedImageError:
        raise errors.InvalidRequest("image: is no PNG, JPEG or WebP") from None
    except (OSError, SyntaxError, ValueError, struct.error, zlib.error, EOFError, IndexError, KeyError):
        raise errors.InvalidRequest("image: cannot be read, it is damaged or cut short") from None
    asked = canvas or _nearest(Canvas(*upright.size))
    buffer = io.BytesIO()
    _framed(upright, asked).save(buffer, "PNG", compress_type=zlib.Z_RLE)
    return buffer.getvalue(), asked


def _nearest(size: Canvas) -> Canvas:
    square = Canvas.of_aspect("1:1")
    return square if size.away_from(square) <= CUT else Canvas.of_aspect(size.aspect)


def _check(image: Image.Image) -> None:
    width, height = image.size
    if min(width, height) < MIN_SIDE or max(width, height) > MAX_SIDE:
        raise errors.InvalidRequest(f"image: {width}x{height} pixels, each side may have {MIN_SIDE} to {MAX_SIDE}")
    if width * height > MAX_PIXELS:
        raise errors.InvalidRequest(f"image: {width}x{height} are more than {MAX_PIXELS} pixels")
    if (frames := getattr(image, "n_frames", 1)) > 1:
        raise errors.InvalidRequest(f"image: is animated, it has {frames} frames, and one is taken")


def _decoded(image: Image.Image) -> Image.Image:
    """RGB, upright; what is transparent is white."""
    image.load()
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I") or upright.mode == "F":  # 16 bits and more of grey
        upright = upright.convert("I").point(lambda level: level * (1 / 257)).convert("L")
    if upright.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in upright.info:
        clear = upright.convert("RGBA")
        white = Image.new("RGBA", clear.size, (*_WHITE, 255))
        upright = Image.alpha_composite(white, clear)
    return upright.convert("RGB")


def _framed(image: Image.Image, asked: Canvas) -> Image.Image:
    """In the aspect of `asked`, and no larger than it or than the image itself needs."""
    scale = min(1.0, max(image.width / asked.width, image.height / asked.height))
    size = (max(1, round(asked.width * scale)), max(1, round(asked.height * scale)))
    if Canvas(*image.size).away_from(asked) <= CUT:
        return ImageOps.fit(image, size, Image.Resampling.LANCZOS)
    return ImageOps.pad(image, size, Image.Resampling.LANCZOS, color=_border_colour(image))


def _border_colour(image: Image.Image) -> tuple[int, ...]:
    width, height = image.size
    sides = ((0, 0, width, 1), (0, height - 1, width, height), (0, 0, 1, height), (width - 1, 0, width, height))
    row = Image.new("RGB", (2 * (width + height), 1))
    place = 0
    for box in sides:
        side = image.crop(box)
        side = side if side.height == 1 else side.transpose(Image.Transpose.ROTATE_90)
        row.paste(side, (place, 0))
        place += side.width
    return tuple(int(level) for level in ImageStat.Stat(row).median)
