"""Drawings in the colours that were asked for: exact in plain areas, mixed at edges, nothing of the symbol lost."""

import io
import json

import c2pa
import cv2
import numpy as np
import pytest
from PIL import Image

from shared.outputs import Outputs
from shared.styles.colours import distance, hex_of, rgb_of
from worker.outputs import branding
from worker.outputs.branding import brand, share_within
from worker.outputs.credentials import open_signer
from worker.outputs.making import Marking, make

TEAL, CREAM, GOLD = "#0a7b83", "#f4ebd9", "#c8961e"


def colour_at(rgb, x, y):
    return hex_of(tuple(int(value) for value in rgb[y, x]))


def test_symbol_and_ground_get_exactly_what_was_asked_for(draw):
    drawing = draw((255, 255, 255), ((220, 38, 38), 200))
    branded = brand(drawing.rgb, (TEAL,), CREAM)
    assert (colour_at(branded.rgb, 256, 256), colour_at(branded.rgb, 5, 5), branded.share) == (TEAL, CREAM, 1.0)
    # An edge is the same mixture as before.
    wanted = np.array(rgb_of(CREAM)) * (1 - drawing.mask[..., None]) + np.array(rgb_of(TEAL)) * drawing.mask[..., None]
    assert np.abs(branded.rgb - wanted).max() <= 4


def test_a_symbol_in_a_container_stays_apart_from_it(draw):
    """Three areas and two colours: the symbol gets the ground's."""
    drawing = draw((255, 255, 255), ((30, 90, 220), 200), ((250, 220, 60), 80))
    rgb = brand(drawing.rgb, (TEAL,), CREAM).rgb
    assert [colour_at(rgb, x, 256) for x in (5, 100, 256)] == [CREAM, TEAL, CREAM]
    rgb = brand(drawing.rgb, (GOLD, TEAL), CREAM).rgb
    assert [colour_at(rgb, x, 256) for x in (5, 100, 256)] == [CREAM, TEAL, GOLD]


@pytest.mark.parametrize(
    "seam",
    [
        pytest.param((16, 98, 43), id="of-the-ground"),
        pytest.param((131, 208, 96), id="of-the-symbol"),
    ],
)
@pytest.mark.parametrize("radius", [20, 60, 150])
@pytest.mark.parametrize("colours", [(TEAL,), (TEAL, GOLD)])
def test_a_seam_around_the_symbol_is_a_shade_of_what_it_is_near_to(draw, seam, radius, colours):
    """It does not take the symbol's place, though it touches more."""
    drawing = draw((15, 84, 45), (seam, radius + 15), ((154, 226, 109), radius))
    rgb = brand(drawing.rgb, colours, CREAM).rgb
    symbol = colour_at(rgb, 256, 256)
    assert symbol in colours
    assert colour_at(rgb, 5, 5) == CREAM
    assert colour_at(rgb, 256 + radius + 7, 256) == (CREAM if seam[0] < 100 else symbol)


def test_shades_of_a_symbol_are_one_colour_and_its_parts_are_not(draw):
    drawing = draw((255, 255, 255), ((11, 72, 37), 200), ((19, 93, 44), 120), ((141, 217, 102), 60))
    rgb = brand(drawing.rgb, (TEAL, GOLD), CREAM).rgb
    assert [colour_at(rgb, x, 256) for x in (5, 90, 170, 256)] == [CREAM, TEAL, TEAL, GOLD]


def test_the_ground_stays_where_none_was_asked_for(draw):
    drawing = draw((250, 250, 250), ((220, 38, 38), 200))
    branded = brand(drawing.rgb, (TEAL,), "")
    assert (colour_at(branded.rgb, 256, 256), colour_at(branded.rgb, 5, 5), branded.share) == (TEAL, "#fafafa", 1.0)
    # Unless it is one of the colours, or nearly.
    assert colour_at(brand(drawing.rgb, (TEAL, "#ffffff"), "").rgb, 5, 5) == "#ffffff"


def test_a_background_alone_changes_the_ground_alone(draw):
    drawing = draw((250, 250, 250), ((220, 38, 38), 200))
    branded = brand(drawing.rgb, (), CREAM)
    assert (colour_at(branded.rgb, 256, 256), colour_at(branded.rgb, 5, 5), branded.share) == ("#dc2626", CREAM, 1.0)


def test_a_background_alone_leaves_no_seam_of_the_old_ground(draw):
    drawing = draw((15, 84, 45), ((16, 98, 43), 215), ((154, 226, 109), 200), ((131, 208, 96), 80))
    rgb = brand(drawing.rgb, (), CREAM).rgb
    assert [colour_at(rgb, x, 256) for x in (5, 48, 100, 256)] == [CREAM, CREAM, "#9ae26d", "#83d060"]


def test_an_area_larger_than_the_ground_does_not_lead_it(draw):
    """Off-white around a white plate, with a rim between them."""
    drawing = draw((246, 246, 246), ((30, 90, 220), 250), ((255, 255, 255), 235), ((220, 38, 38), 80))
    rgb = brand(drawing.rgb, (TEAL,), CREAM).rgb
    assert [colour_at(rgb, x, 256 if x else 0) for x in (0, 13, 100, 256)] == [CREAM, TEAL, CREAM, TEAL]


def test_a_gradient_goes_from_one_colour_to_the_other(draw):
    drawing = draw((255, 255, 255), ((220, 38, 38), 200))
    along = np.linspace(0, 1, 512)[:, None, None]
    ramp = np.array((230, 60, 160)) * (1 - along) + np.array((60, 90, 230)) * along
    rgb = (drawing.exact + drawing.mask[..., None] * (ramp - np.array((220, 38, 38)))).round().astype(np.uint8)
    branded = brand(rgb, ("#c2185b", "#0d47a1"), "#ffffff")
    column = branded.rgb[80:430, 256].astype(np.int16)
    assert np.abs(np.diff(column, axis=0)).max() <= 6
    assert distance(colour_at(branded.rgb, 256, 65), "#c2185b") < 12
    assert distance(colour_at(branded.rgb, 256, 440), "#0d47a1") < 12
    assert branded.share < 0.95
    one = brand(rgb, (TEAL,), "#ffffff")
    assert (colour_at(one.rgb, 256, 100), colour_at(one.rgb, 256, 400), one.share) == (TEAL, TEAL, 1.0)


def test_noise_takes_no_minutes():
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    assert 0 <= brand(noise, (TEAL, GOLD, "#000000"), CREAM).share <= 1


def test_the_share_is_of_colours_within_two():
    near, far = "#0c7d85", "#2a9ba3"
    assert (distance(near, TEAL) < 2, distance(far, TEAL) > 2) == (True, True)
    rgb = np.array([[rgb_of(TEAL), rgb_of(near), rgb_of(far), rgb_of(far)]], dtype=np.uint8)
    assert share_within(rgb, np.ones((1, 4), dtype=bool), [TEAL]) == 0.5


OUTPUTS = Outputs(("png", "webp", "svg"), icons=True, colors=(TEAL,), background_color=CREAM)


def test_every_file_has_the_colours_and_its_credentials(draw, about):
    drawing = draw((255, 255, 255), ((220, 38, 38), 200), ((255, 255, 255), 80))
    made = make(drawing.image, (256, 512), 0, OUTPUTS, about, Marking(signer=open_signer(None, None)))
    assert (made.warnings, made.colors_share) == ([], 1.0)
    assert set(made.palette) == {TEAL, CREAM}
    files = {file.name: file for file in made.files}
    for name in ("256.png", "512.png", "256.webp", "512.webp"):
        rgb = np.asarray(Image.open(io.BytesIO(files[name].data)).convert("RGB"))
        flat = cv2.morphologyEx(rgb, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)).max(axis=2) <= 2
        assert share_within(rgb, flat, [TEAL, CREAM]) >= 0.999
        reader = c2pa.Reader(files[name].media_type, io.BytesIO(files[name].data))
        assert reader.get_validation_state() == "Valid"
        manifest = json.loads(reader.json())
        assert len(manifest["manifests"]) == 1


def test_a_transparent_logo_has_the_colours_and_no_ground(draw, about):
    drawing = draw((255, 255, 255), ((220, 38, 38), 200))
    made = make(drawing.image, (512,), 0, Outputs(("svg",), transparent=True, colors=(TEAL,)), about, Marking())
    (cut,) = [file for file in made.files if file.name == "512-transparent.png"]
    rgba = np.asarray(Image.open(io.BytesIO(cut.data)))
    assert (tuple(rgba[256, 256]), rgba[5, 5, 3], made.palette) == ((*rgb_of(TEAL), 255), 0, [TEAL])


def test_what_cannot_be_put_into_the_colours_says_so(draw, about, monkeypatch):
    """A ground that is none, a share that is low, a fault: the logo comes nevertheless."""
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    asked = Outputs(colors=(TEAL,), background_color=CREAM)
    made = make(Image.fromarray(noise), (256,), 0, asked, about, Marking())
    assert "background_not_uniform" in {warning.code for warning in made.warnings}
    drawn = draw((255, 255, 255), ((220, 38, 38), 200))
    monkeypatch.setattr(branding, "share_within", lambda *_: 0.5)
    (warning,) = make(drawn.image, (256,), 0, asked, about, Marking()).warnings
    assert (warning.code, "50%" in warning.message) == ("colors_missed", True)
    monkeypatch.setattr(branding, "merge", lambda *_: 1 / 0)
    made = make(drawn.image, (256,), 0, asked, about, Marking())
    assert ([warning.code for warning in made.warnings], made.colors_share) == (["colors_failed"], None)
    assert [file.name for file in made.files] == ["256.png"]


def test_the_fills_of_the_svg_are_those_that_were_asked_for(draw, about):
    """What lies between two of them on a soft edge is no fill of its own; an unasked ground keeps its colour."""
    drawing = draw((250, 250, 250), ((220, 38, 38), 150), ((250, 250, 250), 90), softness=9)
    for background, ground in ((CREAM, CREAM), ("", "#fafafa")):
        asked = Outputs(("svg",), colors=(TEAL,), background_color=background)
        assert set(make(drawing.image, (512,), 0, asked, about, Marking()).palette) == {TEAL, ground}
