"""The engine at shapes that are no squares: on the CPU model, which draws them as any other, though not well."""

import io

import numpy as np
import pytest
from PIL import Image

from shared.canvas import Canvas
from worker.flux import preview
from worker.flux.denoiser import Denoiser
from worker.flux.install import BACKENDS, Installed
from worker.flux.model import FluxModel
from worker.flux.modulation import Modulated, Modulations
from worker.model import Drawing
from worker.settings import WorkerSettings

# 64 tokens each.
SHAPES = (Canvas(128, 128), Canvas(256, 64), Canvas(64, 256))


def make(**settings):
    model = FluxModel(WorkerSettings(_env_file=None, torch_device="cpu", warmup_enabled=False, **settings), None)
    model.setup()
    model._buckets = (128,)
    return model


@pytest.fixture(scope="module")
def expected():
    """By shape: what diffusers' own transformer draws."""
    model = make()
    return {size: draw(model, size) for size in SHAPES}


def draw(model, size, on_step=lambda *_: None):
    pixels = model.generate(Drawing("a green leaf", size, (7,), steps=3), on_step)
    assert (pixels.width, pixels.height) == (size.width, size.height)
    return np.frombuffer(pixels.data, np.uint8).reshape(size.height, size.width, 3).astype(float)


def test_shapes_of_as_many_tokens_are_not_taken_for_each_other(expected):
    model = make()
    transformer, scheduler = model._pipeline.transformer, model._pipeline.scheduler
    for block in (*transformer.transformer_blocks, *transformer.single_transformer_blocks):
        block.attn.fuse_projections()
    modulations, model._installed = Modulations(transformer), Installed()
    transformer.forward = Modulated(Denoiser(transformer, BACKENDS), modulations, scheduler)
    for size in (*SHAPES, *reversed(SHAPES)):
        assert np.abs(draw(model, size) - expected[size]).max() <= 1, size


def test_the_cpu_model_draws_squares_whatever_is_asked():
    model = FluxModel(WorkerSettings(_env_file=None, torch_device="cpu"), None)
    model._buckets = (256,)
    assert {model.bucket(size) for size in (Canvas(1536, 512), Canvas(64, 256), Canvas(512, 512))} == {Canvas(256, 256)}


def test_a_preview_has_the_images_shape(monkeypatch):
    monkeypatch.setattr(preview, "MIN_SECONDS", 0)
    shown = []
    model = make(previews=True)
    image = draw(model, SHAPES[1], lambda _step, _steps, made=None: made and shown.append(made()))
    small = Image.open(io.BytesIO(shown[-1]))
    assert small.size == (32, 8)
    reduced = Image.fromarray(image.astype(np.uint8)).resize(small.size, Image.Resampling.BOX)
    assert np.corrcoef(np.asarray(reduced).ravel(), np.asarray(small).ravel())[0, 1] > 0.9
