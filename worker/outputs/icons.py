"""One zip with a logo's icons, named as the web, Android, iOS and macOS want them."""

from __future__ import annotations

import io
import json
import math
import struct
import zipfile
from dataclasses import dataclass

import numpy as np
from PIL import Image

from worker.outputs.encoding import encode_plain

Rgb = tuple[int, int, int]

# Shares of an icon's side that the logo takes: the larger side of its box, or the diameter of its circle.
FAVICON, WEB, APPLE = 1.0, 0.96, 0.8
MASKABLE = 0.8  # of a web app: the circle that no mask cuts into
ADAPTIVE = (
    66 / 108
)  # of Android's: the same, https://developer.android.com/develop/ui/views/launch/icon_design_adaptive
DENSITIES = {"mdpi": 108, "hdpi": 162, "xhdpi": 216, "xxhdpi": 324, "xxxhdpi": 432}
# The types of a .icns file whose content is a PNG, and their sides; the @2x ones have types of their own.
MAC_TYPES = {"ic11": 32, "ic12": 64, "ic07": 128, "ic13": 256, "ic08": 256, "ic14": 512, "ic09": 512, "ic10": 1024}
RESOURCE = """<?xml version="1.0" encoding="utf-8"?>
<adaptive-icon xmlns:android="http://schemas.android.com/apk/res/android">
    <background android:drawable="@mipmap/ic_launcher_background" />
    <foreground android:drawable="@mipmap/ic_launcher_foreground" />
</adaptive-icon>
"""
LINKS = """<link rel="icon" href="/favicon.ico" sizes="48x48">
{svg}<link rel="apple-touch-icon" href="/apple-touch-icon.png">
<link rel="manifest" href="/site.webmanifest">
<meta name="theme-color" content="{colour}">
"""
SVG_LINK = '<link rel="icon" href="/logo.svg" type="image/svg+xml">\n'
VISIBLE = 8  # of an alpha channel


@dataclass(frozen=True, slots=True)
class Mark:
    """The logo, cut out, and the circle about the middle of its box that holds all of it."""

    picture: Image.Image
    radius: float

    @classmethod
    def of(cls, picture: Image.Image) -> Mark:
        """`picture`: RGBA."""
        visible = picture.getchannel("A").point(lambda alpha: 255 if alpha >= VISIBLE else 0)
        box = visible.getbbox()
        if box is None:
            return cls(picture, math.hypot(*picture.size) / 2)
        rows, columns = np.nonzero(np.asarray(visible)[::2, ::2])
        away = np.hypot(2 * columns + 0.5 - (box[0] + box[2]) / 2, 2 * rows + 0.5 - (box[1] + box[3]) / 2)
        # Every other pixel is looked at; half a diagonal is the pixel's own.
        return cls(picture.crop(box), float(away.max()) + 1.5 * math.sqrt(2))

    def on(self, side: int, share: float, ground: Rgb | None = None, *, circle: bool = False) -> Image.Image:
        """The logo in the middle of a square. `circle`: all of it within a circle of `share` of the side."""
        extent = 2 * self.radius if circle else max(self.picture.size)
        scale = side * share / extent
        size = (max(1, round(self.picture.width * scale)), max(1, round(self.picture.height * scale)))
        small = self.picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
        square = Image.new("RGBA", (side, side), (*(ground or (0, 0, 0)), 255 if ground else 0))
        place = ((side - size[0]) // 2, (side - size[1]) // 2)
        if ground is None:
            square.paste(small, place)
            return square
        square.alpha_composite(small, place)
        return square.convert("RGB")


def icons(picture: Image.Image, ground: Rgb, svg: bytes | None) -> bytes:
    """:param picture: RGBA, the logo without its ground.
    :param ground: the colour of the icons that must be opaque.
    """
    mark = Mark.of(picture)
    colour = "#{:02x}{:02x}{:02x}".format(*ground)
    large = mark.on(1024, APPLE)
    files: dict[str, bytes] = {
        "favicon.ico": _favicon(mark),
        "apple-touch-icon.png": encode_plain(mark.on(180, APPLE, ground)),
        "icon-192.png": encode_plain(mark.on(192, WEB)),
        "icon-512.png": encode_plain(mark.on(512, WEB)),
        "icon-512-maskable.png": encode_plain(mark.on(512, MASKABLE, ground, circle=True)),
        "site.webmanifest": _manifest(colour).encode(),
        "head.html": LINKS.format(svg=SVG_LINK if svg else "", colour=colour).encode(),
        "icon.icns": _mac(large),
    }
    if svg:
        files["logo.svg"] = svg
    files |= _android(mark, ground) | _ios(large, ground)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, data in files.items():
            # A fixed time, so that equal icons give an equal zip. PNGs are compressed already.
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_STORED if name.endswith((".png", ".icns")) else zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return buffer.getvalue()


def _favicon(mark: Mark) -> bytes:
    large, *others = [mark.on(side, FAVICON) for side in (48, 32, 16)]
    buffer = io.BytesIO()
    large.save(buffer, "ICO", sizes=[(16, 16), (32, 32), (48, 48)], append_images=others)
    return buffer.getvalue()


def _mac(large: Image.Image) -> bytes:
    """The entries of a .icns file, each of type, length and PNG. Pillow's writer takes three times as long, because it
    chooses the PNGs' compression itself.

    :param large: 1024 pixels wide and high.
    """
    encoded: dict[int, bytes] = {}
    for side in sorted(set(MAC_TYPES.values()), reverse=True):
        large = large if large.width == side else large.reduce(large.width // side)
        encoded[side] = encode_plain(large)
    entries = b"".join(
        kind.encode() + struct.pack(">I", 8 + len(encoded[side])) + encoded[side] for kind, side in MAC_TYPES.items()
    )
    return b"icns" + struct.pack(">I", 8 + len(entries)) + entries


def _android(mark: Mark, ground: Rgb) -> dict[str, bytes]:
    files = {"android/res/mipmap-anydpi-v26/ic_launcher.xml": RESOURCE.encode()}
    largest = mark.on(432, ADAPTIVE, circle=True)
    for density, side in DENSITIES.items():
        folder = f"android/res/mipmap-{density}"
        front = largest if side == largest.width else largest.resize((side, side), Image.Resampling.LANCZOS)
        files[f"{folder}/ic_launcher_foreground.png"] = encode_plain(front)
        files[f"{folder}/ic_launcher_background.png"] = encode_plain(Image.new("RGB", (side, side), ground))
    return files


def _ios(large: Image.Image, ground: Rgb) -> dict[str, bytes]:
    folder, name = "ios/AppIcon.appiconset", "AppIcon-1024.png"
    contents = {
        "images": [{"filename": name, "idiom": "universal", "platform": "ios", "size": "1024x1024"}],
        "info": {"author": "xcode", "version": 1},
    }
    opaque = Image.new("RGB", large.size, ground)
    opaque.paste(large, mask=large)
    return {
        f"{folder}/{name}": encode_plain(opaque),
        f"{folder}/Contents.json": json.dumps(contents, indent=2).encode(),
    }


def _manifest(colour: str) -> str:
    shown = [("icon-192.png", 192, "any"), ("icon-512.png", 512, "any"), ("icon-512-maskable.png", 512, "maskable")]
    pictures = [
        {"src": f"/{name}", "sizes": f"{side}x{side}", "type": "image/png", "purpose": purpose}
        for name, side, purpose in shown
    ]
    manifest = {
        "name": "App",
        "short_name": "App",
        "icons": pictures,
        "theme_color": colour,
        "background_color": colour,
    }
    return json.dumps(manifest | {"display": "standalone"}, indent=2)
