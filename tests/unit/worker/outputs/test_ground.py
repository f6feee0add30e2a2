import cv2
import numpy as np
import pytest

from worker.outputs.ground import NotUniform, cut_out, estimate

SIDE = 512
MAGENTA = np.array([255, 0, 255])
WHITE, RED, BLUE, GREY, BLACK = (255, 255, 255), (220, 38, 38), (16, 36, 110), (128, 132, 138), (15, 15, 18)


def cut(drawing, holes="keep"):
    return cut_out(drawing.rgb, estimate(drawing.rgb), holes)


def error(picture, mask):
    return np.abs(picture[..., 3] / 255 - mask).mean()


def on(picture, colour):
    share = picture[..., 3:].astype(float) / 255
    return picture[..., :3] * share + np.array(colour) * (1 - share)


@pytest.mark.parametrize(
    ("ground", "colour", "softness"),
    [
        (WHITE, RED, 0.6),
        (WHITE, BLUE, 1.5),
        (BLACK, RED, 3.0),
        (GREY, BLUE, 1.0),
        (BLUE, WHITE, 2.0),
        (RED, BLACK, 0.8),
    ],
)
def test_the_edge_is_unmixed_without_a_halo(draw, ground, colour, softness):
    drawing = draw(ground, (colour, 180), softness=softness)
    picture = cut(drawing)
    assert error(picture, drawing.mask) < 0.005
    for new in (WHITE, BLACK, MAGENTA):
        wanted = np.array(colour) * drawing.mask[..., None] + np.array(new) * (1 - drawing.mask[..., None])
        away = np.abs(on(picture, new) - wanted).max(axis=2)
        assert np.percentile(away, 99.5) < 40
        assert away.mean() < 1.5


def test_an_enclosed_area_of_the_grounds_colour_is_kept_or_cut(draw):
    ring = draw(WHITE, (RED, 200), (WHITE, 120))
    kept, opened = cut(ring), cut(ring, "cut")
    middle = SIDE // 2
    assert tuple(kept[middle, middle]) == (*WHITE, 255)
    assert opened[middle, middle, 3] == 0
    assert error(kept, draw(WHITE, (RED, 200)).mask) < 0.005
    hole = draw(WHITE, (RED, 120)).mask
    assert error(opened, ring.mask - hole) < 0.01


def test_a_highlight_is_no_hole(draw):
    drawing = draw(WHITE, (RED, 200), (WHITE, 3), softness=0.5)
    assert cut(drawing, "cut")[SIDE // 2, SIDE // 2, 3] == 255


@pytest.mark.parametrize("holes", ["keep", "cut"])
def test_the_inner_edge_of_a_thin_ring_shows_no_new_ground_where_it_is_kept(draw, holes):
    ring = draw(WHITE, (BLACK, 200), (WHITE, 194), softness=1.0)
    inside = draw(WHITE, (BLACK, 192)).mask > 0.99
    alpha = cut(ring, holes)[..., 3][inside]
    assert (alpha == 255).all() if holes == "keep" else np.median(alpha) == 0


def test_a_gradient_and_noise_are_still_a_plain_ground(draw):
    drawing = draw(WHITE, (BLUE, 170))
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    shade = (25 * x + 12 * y * y + 20)[..., None] * (1 - drawing.mask[..., None])
    noise = np.random.default_rng(1).normal(0, 1.5, drawing.rgb.shape)
    drawing.rgb = (drawing.exact - shade + noise).round().clip(0, 255).astype(np.uint8)
    picture = cut(drawing)
    assert error(picture, drawing.mask) < 0.01
    assert (picture[..., 3][drawing.mask < 0.001] == 0).mean() > 0.999


def test_a_drawing_that_touches_the_border_is_cut_out(draw):
    drawing = draw(WHITE, (RED, 100, 60, SIDE / 2))
    assert error(cut(drawing), drawing.mask) < 0.01


@pytest.mark.parametrize("kind", ["photograph", "halves", "stripes", "filled"])
def test_what_has_no_plain_ground_is_refused(kind):
    if kind == "photograph":
        small = np.random.default_rng(2).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        rgb = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    elif kind == "filled":
        rgb = np.full((SIDE, SIDE, 3), 255, np.uint8)
        rgb[: SIDE // 2 + 40] = RED
    else:
        rgb = np.full((SIDE, SIDE, 3), 255, np.uint8)
        period = SIDE if kind == "halves" else 32
        rgb[:, np.arange(SIDE) % period < period // 2] = BLUE
    with pytest.raises(NotUniform):
        cut_out(rgb, estimate(rgb), "keep")


@pytest.mark.parametrize("colour", [WHITE, RED, BLACK])
def test_a_picture_of_ground_alone_is_all_transparent(colour):
    rgb = np.full((64, 64, 3), colour, np.uint8)
    assert (cut_out(rgb, estimate(rgb), "cut") == 0).all()


def test_a_stain_in_the_corner_of_the_picture_is_no_drawing(draw):
    drawing = draw(WHITE, (BLUE, 160))
    whole = cut(drawing)
    for y, x in ((0, 0), (0, SIDE - 6), (SIDE - 6, 0), (SIDE - 6, SIDE - 6)):
        drawing.rgb[y : y + 6, x : x + 6] = (231, 217, 251)
    assert np.array_equal(cut(drawing)[..., 3], whole[..., 3])
    # What is larger is drawn.
    drawing.rgb[:20, :20] = (231, 217, 251)
    assert cut(drawing)[5, 5, 3] == 255
