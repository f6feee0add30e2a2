"""Previews of what the CPU model draws. That there are none without the setting, test_variations.py shows."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from worker.flux import preview
from worker.flux.checkpoint import CPU_MODEL_PATH
from worker.flux.model import FluxModel
from worker.mini import corpus, latent_rgb, paint
from worker.mini.config import load
from worker.model import Drawing
from worker.settings import WorkerSettings

DRAWING = Drawing("a green leaf in a white circle", 256, (1,), steps=5)


@pytest.fixture(scope="module")
def model():
    options = {"torch_device": "cpu", "warmup_enabled": False, "previews": True}
    made = FluxModel(WorkerSettings(_env_file=None, **options), None)
    made.setup()
    return made


@pytest.fixture
def drawn(model):
    """(the image, {step: preview})."""

    def _drawn():
        previews = {}

        def on_step(step, _, picture=None):
            if picture:
                previews[step] = Image.open(io.BytesIO(picture()))

        pixels = model.generate(DRAWING, on_step)
        return Image.frombytes("RGB", (pixels.width, pixels.height), pixels.data), previews

    return _drawn


def correlation(image, small):
    reduced = image.resize(small.size, Image.Resampling.BOX)
    return np.corrcoef(np.asarray(reduced).ravel(), np.asarray(small).ravel())[0, 1]


def test_each_looks_like_the_image_and_the_last_the_most(drawn, monkeypatch):
    monkeypatch.setattr(preview, "MIN_SECONDS", 0)
    image, previews = drawn()
    assert list(previews) == list(range(2, 6))
    assert {small.size for small in previews.values()} == {(32, 32)}
    likeness = [correlation(image, small) for small in previews.values()]
    assert likeness[-1] == max(likeness)
    assert likeness[-1] > 0.95
    assert likeness[0] > 0.85  # with the noise that is left it was 0.2


def test_no_more_than_two_a_second(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(preview, "time", SimpleNamespace(monotonic=lambda: now[0]))
    previews, sigmas = preview.Previews(CPU_MODEL_PATH, "cpu", 8), torch.linspace(1, 0, 29)
    shown = []
    for index in range(28):
        previews.take(index, torch.full((2, 16, 32), float(index)), sigmas)
        if previews.arrived(index + 1):
            shown.append(now[0])
        now[0] += 0.125
    assert shown == [0.125, 0.625, 1.125, 1.625, 2.125, 2.625, 3.125]


def test_one_arrives_with_its_own_step_and_not_before(monkeypatch):
    """On a card a step is reported when the next one is on its way."""
    monkeypatch.setattr(preview, "MIN_SECONDS", 0)
    previews, sigmas = preview.Previews(CPU_MODEL_PATH, "cpu", 8), torch.linspace(1, 0, 5)
    arrived = []
    for index in range(4):
        previews.take(index, torch.zeros(1, 16, 32), sigmas)
        arrived.append(previews.arrived(index) is not None)
    assert [*arrived, previews.arrived(4) is not None] == [False, False, True, True, True]


def test_the_table_is_the_autoencoders_own(model):
    """`python -m worker.mini.latent_rgb` was run after the last training: a new fit finds about the same colours."""
    pictures = torch.cat([paint.picture(corpus.logo(load(), number)) for number in range(8)])
    table = preview.json.loads((CPU_MODEL_PATH / preview.TABLE).read_text())
    factors, _ = latent_rgb.fit(model._pipeline.vae, pictures)
    assert np.corrcoef(factors.flatten().numpy(), np.ravel(table["factors"]))[0, 1] > 0.9


def test_a_model_whose_latents_nobody_knows_is_refused(tmp_path):
    assert preview.Previews(tmp_path, "cpu", 16)
    with pytest.raises(ValueError, match="16 channels are known, the model has 8"):
        preview.Previews(tmp_path, "cpu", 8)
