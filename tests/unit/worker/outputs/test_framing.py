"""Drawings of another aspect than what was asked for."""

import io

import numpy as np
import pytest
from PIL import Image

from shared.canvas import Canvas
from shared.outputs import Outputs
from worker.outputs.framing import framed
from worker.outputs.making import Marking, make

BLUE, RED = (20, 40, 200), (220, 38, 38)


@pytest.fixture(scope="module")
def drawn(draw):
    return draw(BLUE, (RED, 60), side=256).image


@pytest.mark.parametrize(("size", "large"), [("1536x512", (768, 256)), ("512x2048", (256, 1024)), ("512", (256, 256))])
def test_a_square_stands_in_the_middle_of_its_ground(drawn, size, large):
    picture, around = framed(drawn, Canvas.named(size))
    assert (picture.size, bool(around)) == (large, size != "512")
    left, top = (large[0] - 256) // 2, (large[1] - 256) // 2
    assert np.array_equal(np.asarray(picture.crop((left, top, left + 256, top + 256))), np.asarray(drawn))
    assert {picture.getpixel(corner) for corner in ((0, 0), (large[0] - 1, large[1] - 1))} == {BLUE}


def test_a_ground_that_is_not_one_colour_goes_on_as_it_ends():
    rows = np.linspace(0, 255, 256).astype(np.uint8)[:, None, None].repeat(256, 1).repeat(3, 2)
    picture, around = framed(Image.fromarray(rows), Canvas(512, 128))
    assert picture.size == (1024, 256)
    assert np.array_equal(np.asarray(picture)[:, 0], rows[:, 0])
    assert "border" in around


def test_what_is_nearly_of_the_aspect_loses_its_edge_and_no_more(draw):
    wide = draw(BLUE, (RED, 60), side=256).image.resize((272, 256))
    picture, around = framed(wide, Canvas(1050, 1000))
    assert (around, picture.height) == ("", 256)
    assert picture.width == pytest.approx(256 * 1.05, abs=1)


def test_all_outputs_of_a_wide_logo(drawn, about):
    wanted = Outputs(("png", "webp", "jpeg", "avif", "svg"), transparent=True, icons=True)
    made = make(drawn, (Canvas(384, 128),), 1, wanted, about, Marking())
    sizes = {file.name: (file.width, file.height) for file in made.files}
    rasters = [
        "384x128-2.png",
        "384x128-2-transparent.png",
        *(f"384x128-2.{form}" for form in ("webp", "jpeg", "avif")),
    ]
    assert list(sizes) == [*rasters, "logo-2.svg", "icons-2.zip"]
    assert {sizes[name] for name in rasters} == {(384, 128)}
    assert sizes["logo-2.svg"][0] == 3 * sizes["logo-2.svg"][1]
    (warning,) = made.warnings
    assert warning.code == "padded"
    assert warning.message == "384x128-2.png: drawn in 256x256 pixels, and its ground was continued around it"
    clear = Image.open(io.BytesIO(next(file.data for file in made.files if file.name == rasters[1])))
    assert [clear.getpixel(place)[3] for place in ((0, 0), (100, 64), (192, 64))] == [0, 0, 255]


def test_what_was_drawn_wide_has_no_warning(drawn, about):
    wide = drawn.resize((592, 144))
    made = make(wide, (Canvas(2048, 500),), 0, Outputs(), about, Marking())
    assert (made.warnings, [(file.width, file.height) for file in made.files]) == ([], [(2048, 500)])
