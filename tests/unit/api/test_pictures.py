"""Images that come with requests, one of each kind."""

import io
import struct
import zlib

import pytest
from PIL import Image, features

from api import pictures
from shared import errors
from shared.canvas import Canvas

RED, BLUE = (220, 38, 38), (20, 40, 200)
SQUARE = Canvas(64, 64)


def picture(mode="RGB", size=(64, 64), colour=RED):
    return Image.new(mode, size, colour)


def saved(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


async def opened(data, canvas=SQUARE):
    prepared, _ = await pictures.prepare(data, canvas)
    image = Image.open(io.BytesIO(prepared))
    assert (image.format, image.mode) == ("PNG", "RGB")
    return image


@pytest.mark.parametrize(
    ("data", "colour"),
    [
        (saved(picture()), RED),
        (saved(picture(), "JPEG", quality=95), RED),
        (saved(picture(), "WEBP", lossless=True), RED),
        (saved(picture().quantize(4)), RED),
        (saved(picture("CMYK", colour=(0, 255, 255, 0)), "JPEG", quality=95), (255, 0, 0)),
        (saved(picture("L", colour=100)), (100, 100, 100)),
        (saved(picture("I;16", colour=257 * 100)), (100, 100, 100)),
        (saved(picture("1", colour=1)), (255, 255, 255)),
        (saved(picture("RGBA", colour=(*RED, 0))), (255, 255, 255)),
        (saved(picture("LA", colour=(0, 0))), (255, 255, 255)),
        (saved(picture("P", colour=0), transparency=0), (255, 255, 255)),
    ],
    ids=["png", "jpeg", "webp", "palette", "cmyk", "grey", "16-bit", "bits", "alpha", "grey-alpha", "palette-alpha"],
)
async def test_every_mode_becomes_rgb_and_what_is_clear_becomes_white(data, colour):
    found = (await opened(data)).getpixel((32, 32))
    assert max(abs(a - b) for a, b in zip(found, colour, strict=True)) <= 4


async def test_one_that_lies_on_its_side_is_turned_upright():
    lying = picture(size=(64, 32))
    lying.paste(BLUE, (0, 0, 32, 32))
    exif = Image.Exif()
    exif[0x0112] = 6  # its top is on the right
    upright = await opened(saved(lying, "JPEG", exif=exif, quality=95, subsampling=0), Canvas(32, 64))
    assert upright.size == (32, 64)
    assert upright.getpixel((16, 8))[2] > 150
    assert upright.getpixel((16, 56))[0] > 150


@pytest.mark.parametrize(
    ("size", "asked", "found"),
    [
        ((1024, 1024), SQUARE, (64, 64)),
        ((32, 32), Canvas(512, 512), (32, 32)),
        ((64, 64), Canvas(1536, 512), (192, 64)),
        ((300, 100), Canvas(1536, 512), (300, 100)),
    ],
)
async def test_it_gets_the_aspect_that_is_asked_for_and_is_no_larger(size, asked, found):
    image = await opened(saved(picture(size=size)), asked)
    assert image.size == found
    # Its ground goes on.
    assert image.getpixel((1, 1)) == RED


@pytest.mark.parametrize(
    ("size", "nearest"), [((64, 64), "1024"), ((66, 65), "1024"), ((300, 100), "1776x592"), ((32, 64), "720x1440")]
)
async def test_without_a_wish_the_shape_is_the_images(size, nearest):
    _, canvas = await pictures.prepare(saved(picture(size=size)), None)
    assert str(canvas) == nearest


def bomb(width, height):
    """A PNG of so many pixels in a few bytes: its data ends at once."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    parts = [struct.pack(">I", len(d)) + name + d + struct.pack(">I", zlib.crc32(name + d)) for name, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


WHOLE = saved(Image.effect_noise((128, 128), 90))
FRAMES = [picture(colour=RED), picture(colour=BLUE)]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"no image at all", "is no PNG, JPEG or WebP"),
        (saved(picture(), "GIF"), "is no PNG, JPEG or WebP"),
        (saved(picture(), "BMP"), "is no PNG, JPEG or WebP"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no PNG, JPEG or WebP"),
        (WHOLE[: len(WHOLE) // 2], "damaged or cut short"),
        (WHOLE[:40], "is no PNG, JPEG or WebP"),
        (saved(Image.effect_noise((128, 128), 90), "JPEG")[:2000], "damaged or cut short"),
        (WHOLE[:200] + b"\0" * 64 + WHOLE[264:], "damaged or cut short"),
        (saved(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:]), "has 2 frames"),
        (saved(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:]), "has 2 frames"),
        (saved(picture(size=(15, 64))), "15x64 pixels, each side may have 16 to 8192"),
        (bomb(8193, 16), "8193x16 pixels, each side may have 16 to 8192"),
        (bomb(8000, 8000), "8000x8000 are more than 16777216 pixels"),
        (bomb(60_000, 60_000), "more than 16777216 pixels"),
    ],
    ids=[
        *("text", "gif", "bmp", "svg", "half", "head", "half-jpeg", "damaged", "webp-frames", "png-frames"),
        *("small", "long", "bomb", "large-bomb"),
    ],
)
async def test_what_is_not_taken_says_why(data, why):
    with pytest.raises(errors.InvalidRequest) as refused:
        await pictures.prepare(data, SQUARE)
    assert refused.value.message.startswith("image: ")
    assert why in refused.value.message


async def test_a_bomb_is_refused_before_a_pixel_is_decoded(monkeypatch):
    monkeypatch.setattr(pictures, "_decoded", None)
    with pytest.raises(errors.InvalidRequest, match="16777216"):
        await pictures.prepare(bomb(8000, 8000), SQUARE)


def test_the_formats_are_there():
    assert features.check("webp")
