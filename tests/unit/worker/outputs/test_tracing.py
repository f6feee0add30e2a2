import io
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import resvg_py
from PIL import Image

from worker.outputs.ground import cut_out, estimate
from worker.outputs.tracing import MOST_BYTES, TooDetailed, trace

WHITE, RED, BLUE = (255, 255, 255), (220, 38, 38), (16, 36, 110)


def drawn(svg, side, background=None):
    options = {"background": background} if background else {}
    png = resvg_py.svg_to_bytes(svg_string=svg.decode(), width=side, height=side, **options)
    return np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGBA"))


def near(one, other):
    return np.abs(np.asarray(one, dtype=int) - np.asarray(other, dtype=int)).max() <= 3


@pytest.mark.parametrize("softness", [0.8, 3.0])
def test_a_logo_becomes_one_path_for_each_shape_in_its_own_colours(draw, softness):
    drawing = draw(WHITE, (RED, 200), (BLUE, 90), softness=softness)
    traced = trace(drawing.rgb)
    assert len(traced.paths) == len(traced.palette) == 3
    colours = [tuple(bytes.fromhex(fill[1:])) for fill in traced.palette]
    assert all(near(found, wanted) for found, wanted in zip(colours, (WHITE, RED, BLUE), strict=True))
    picture = drawn(traced.document(), 512)
    assert np.abs(picture[..., :3].astype(int) - drawing.rgb).mean() < 2.5


def test_it_is_a_small_svg_without_script_and_pictures(logo):
    svg = trace(logo.rgb).document("<a>about</a>")
    root = ET.fromstring(svg)
    assert root.get("viewBox") == "0 0 768 768"
    assert {element.tag.rpartition("}")[2] for element in root.iter()} == {"svg", "metadata", "a", "path"}
    assert len(svg) < 20_000


@pytest.mark.parametrize("side", [256, 512, 1024])
def test_without_its_ground_nothing_of_it_is_left(draw, side):
    drawing = draw(WHITE, (RED, side * 0.4), (WHITE, side * 0.2), softness=side / 512, side=side)
    traced = trace(cut_out(drawing.rgb, estimate(drawing.rgb), "keep"))
    picture = drawn(traced.document(), side)
    assert (picture[..., 3][drawing.mask < 0.01] == 0).all()
    assert near(picture[side // 2, side // 2], (*WHITE, 255))
    # On a new ground the outer edge has no white in it.
    on_black = drawn(traced.document(), side, "#000000")[..., 1]
    outer = (drawing.mask > 0.05) & (drawing.mask < 0.95)
    assert (on_black[outer] <= RED[1] + 5).all()


def test_holes_that_are_cut_are_open(draw):
    ring = draw(WHITE, (RED, 200), (WHITE, 120))
    picture = drawn(trace(cut_out(ring.rgb, estimate(ring.rgb), "cut")).document(), 512)
    assert picture[256, 256, 3] == 0
    assert picture[256, 256 + 160, 3] == 255


def test_a_picture_that_is_not_square_keeps_its_shape(draw):
    traced = trace(draw(WHITE, (RED, 100)).rgb[128:384])
    assert (traced.width, traced.height) == (768, 384)


def test_a_gradient_has_few_colours(draw):
    drawing = draw(WHITE, (RED, 200))
    drawing.rgb[..., 2] = np.linspace(0, 255, 512).astype(np.uint8)[:, None]
    assert len(trace(drawing.rgb).palette) <= 12


@pytest.mark.timeout(60)  # without a bound on outlines it takes minutes
def test_noise_is_traced_coarsely_or_refused():
    noise = np.random.default_rng(1).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    try:
        assert len(trace(noise).document()) < MOST_BYTES
    except TooDetailed as error:
        assert "bytes" in str(error)  # noqa: PT017 - either outcome is right


def test_nothing_visible_makes_an_empty_svg():
    traced = trace(np.zeros((64, 64, 4), np.uint8))
    assert ET.fromstring(traced.document()) is not None
    assert traced.paths == []
