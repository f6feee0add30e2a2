"""The small form of `python -m worker.mini.evaluate --outputs`: on painted logos with soft edges."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from shared.outputs import Outputs
from worker.mini import logos, output_evaluation
from worker.mini.output_figures import judge, true_mask
from worker.mini.paint import image
from worker.outputs import ground, tracing
from worker.outputs.making import About, Marking, make

SIDE = 512
LOGOS = [
    logos.Logo(logos.place("rocket", "circle", 1), "one-colour", "white", "dark blue", "white"),
    logos.Logo(logos.place("crown", "none", 1), "one-colour", "gold", "black", "black"),
    logos.Logo(logos.place("leaf", "ring", 1), "one-colour", "green", "orange", "white"),
]
QUALITY = ("alpha_error", "halo", "ssim", "paths", "svg_bytes")


def drawing(logo):
    return image(logo).resize((SIDE, SIDE), Image.Resampling.LANCZOS).filter(ImageFilter.GaussianBlur(1))


def figures(capsys):
    found = {name: [0.0] for name in output_evaluation.GOALS}
    for name in QUALITY:
        found[name] = []
    for logo in LOGOS:
        drawn = drawing(logo)
        wanted = Outputs(("png", "svg"), transparent=True)
        made = make(drawn, (SIDE,), 0, wanted, About("", 1, "", 1, 1, ""), Marking())
        assert made.warnings == []
        ground_name = logo.ground if logo.shape.container != "none" else logo.colour
        others = [name for name in dict.fromkeys((ground_name, logo.colour)) if name != logo.page]
        one = judge(drawn, made, logo.page, others)
        for name in QUALITY:
            found[name].append(getattr(one, name))
    met = output_evaluation.report(found)
    return met, {line.split()[0]: line.endswith("yes") for line in capsys.readouterr().out.splitlines()}


def test_the_outputs_of_painted_logos_meet_the_goals(capsys):
    assert figures(capsys)[0]


def not_unmixed(rgb, colours, distance, outside, tolerance):
    return np.dstack([rgb, (1 - outside) * np.uint8(255)])


def not_cut_out(rgb, found, holes):
    return np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])


@pytest.mark.parametrize(
    ("module", "step", "instead", "missed"),
    [
        (ground, "unmix", not_unmixed, "halo"),
        (ground, "cut_out", not_cut_out, "alpha_error"),
        (tracing, "smooth", lambda labels, radius: np.zeros_like(labels), "ssim"),
    ],
)
def test_they_miss_them_when_a_step_is_left_out(module, step, instead, missed, monkeypatch, capsys):
    monkeypatch.setattr(module, step, instead)
    met, good = figures(capsys)
    assert not met
    assert not good[missed]


def test_the_true_mask_of_a_painted_logo_is_its_layers():
    logo = LOGOS[0]
    drawn = np.asarray(image(logo), dtype=np.float32)
    palette = logos.palette(logo).astype(np.float32)
    mask = true_mask(drawn, palette[:2])
    assert np.abs(mask - logos.layers(logo.shape)[0] / 255).mean() < 0.002
