import io
import json
import re
import zipfile
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from worker.outputs.ground import cut_out, estimate
from worker.outputs.icons import icons

WHITE, RED = (255, 255, 255), (220, 38, 38)
FILES = {
    "favicon.ico", "apple-touch-icon.png", "icon-192.png", "icon-512.png", "icon-512-maskable.png", "site.webmanifest",
    "head.html", "icon.icns", "logo.svg", "ios/AppIcon.appiconset/AppIcon-1024.png",
    "ios/AppIcon.appiconset/Contents.json", "android/res/mipmap-anydpi-v26/ic_launcher.xml",
}  # fmt: skip


@pytest.fixture(scope="module")
def files(draw):
    drawing = draw(WHITE, (RED, 150, 200, 300))
    picture = Image.fromarray(cut_out(drawing.rgb, estimate(drawing.rgb), "keep"))
    with zipfile.ZipFile(io.BytesIO(icons(picture, WHITE, b"<svg/>"))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def opened(data):
    return Image.open(io.BytesIO(data))


def farthest(image):
    """The distance of the farthest visible pixel from the middle, as a share of the side."""
    rows, columns = np.nonzero(np.asarray(image.convert("RGBA"))[..., 3] > 8)
    middle = (image.width - 1) / 2
    return np.hypot(rows - middle, columns - middle).max() / image.width


def test_every_platform_has_its_files_under_its_names(files):
    android = {f"android/res/mipmap-{density}" for density in ("mdpi", "hdpi", "xhdpi", "xxhdpi", "xxxhdpi")}
    layers = {f"{folder}/ic_launcher_{layer}.png" for folder in android for layer in ("foreground", "background")}
    assert set(files) == FILES | layers


def test_the_ico_and_the_icns_have_their_sizes(files):
    ico, icns = opened(files["favicon.ico"]), opened(files["icon.icns"])
    assert ico.info["sizes"] == {(16, 16), (32, 32), (48, 48)}
    assert {(w * scale, h * scale) for w, h, scale in icns.info["sizes"]} >= {(128, 128), (512, 512), (1024, 1024)}
    assert icns.convert("RGBA").getpixel((512, 512)) == (*RED, 255)
    for size in ico.info["sizes"]:
        ico.size = size
        assert ico.convert("RGBA").getpixel((size[0] // 2, size[1] // 2)) == (*RED, 255)


@pytest.mark.parametrize(
    ("name", "side", "mode"),
    [
        ("apple-touch-icon.png", 180, "RGB"),
        ("icon-192.png", 192, "RGBA"),
        ("icon-512.png", 512, "RGBA"),
        ("icon-512-maskable.png", 512, "RGB"),
        ("ios/AppIcon.appiconset/AppIcon-1024.png", 1024, "RGB"),
        ("android/res/mipmap-mdpi/ic_launcher_foreground.png", 108, "RGBA"),
        ("android/res/mipmap-xxxhdpi/ic_launcher_foreground.png", 432, "RGBA"),
        ("android/res/mipmap-xxxhdpi/ic_launcher_background.png", 432, "RGB"),
    ],
)
def test_each_picture_has_its_size_and_alpha_only_where_it_may(files, name, side, mode):
    image = opened(files[name])
    assert (image.format, image.size, image.mode) == ("PNG", (side, side), mode)
    assert image.getpixel((0, 0)) == ((*WHITE,) if mode == "RGB" else (0, 0, 0, 0))


def test_no_mask_cuts_into_the_logo(files):
    front = opened(files["android/res/mipmap-xxxhdpi/ic_launcher_foreground.png"])
    assert 0.28 < farthest(front) <= 66 / 108 / 2 + 1 / 432
    maskable = opened(files["icon-512-maskable.png"])
    red = Image.fromarray((np.asarray(maskable)[..., 1] < 200).astype(np.uint8) * 255)
    picture = Image.new("RGBA", maskable.size)
    picture.putalpha(red)
    assert 0.37 < farthest(picture) <= 0.4 + 1 / 512


def test_the_texts_name_files_that_are_there(files):
    manifest = json.loads(files["site.webmanifest"])
    assert manifest["name"]
    assert {icon["purpose"] for icon in manifest["icons"]} == {"any", "maskable"}
    named = [icon["src"] for icon in manifest["icons"]] + re.findall('href="([^"]+)"', files["head.html"].decode())
    assert {name.lstrip("/") for name in named} <= set(files)
    for icon in manifest["icons"]:
        assert opened(files[icon["src"].lstrip("/")]).size == tuple(map(int, icon["sizes"].split("x")))
    contents = json.loads(files["ios/AppIcon.appiconset/Contents.json"])
    assert f"ios/AppIcon.appiconset/{contents['images'][0]['filename']}" in files
    ET.fromstring(files["android/res/mipmap-anydpi-v26/ic_launcher.xml"])


def test_equal_icons_make_an_equal_zip_and_one_without_svg_names_none():
    blank = Image.new("RGBA", (64, 64), (*RED, 255))
    assert icons(blank, WHITE, None) == icons(blank, WHITE, None)
    with zipfile.ZipFile(io.BytesIO(icons(blank, WHITE, None))) as archive:
        assert "logo.svg" not in archive.namelist()
        assert b"logo.svg" not in archive.read("head.html")


def test_a_picture_without_anything_visible_still_makes_icons():
    assert icons(Image.new("RGBA", (64, 64)), WHITE, None)
