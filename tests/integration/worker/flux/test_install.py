"""What a card's plans put into the pipeline, as far as a processor can run it: on the CPU model."""

import functools
from dataclasses import replace
from itertools import pairwise
from types import MethodType, SimpleNamespace

import numpy as np
import pytest
import torch

from worker.flux import install as wiring
from worker.flux import memory_plan
from worker.flux.denoiser import Denoiser
from worker.flux.extrapolation import Extrapolation
from worker.flux.install import BACKENDS, _lay_out_t5_bias, _quantize, install
from worker.flux.linears import quantize_layers
from worker.flux.model import FluxModel
from worker.flux.modulation import Modulated, Modulations
from worker.flux.speed_plan import SPEED_PLANS
from worker.flux.step_schedule import few, most
from worker.model import Drawing
from worker.settings import WorkerSettings

DRAWING = Drawing("orange flame in a dark blue circle", 256, (7,), steps=8, guidance=2.0)


def loaded():
    settings = WorkerSettings(_env_file=None, torch_device="cpu", warmup_enabled=False, max_concurrent_jobs=2)
    model = FluxModel(settings, None)
    model.setup()
    return model


@pytest.fixture
def model():
    return loaded()


def draw(model, drawing=DRAWING):
    pixels = model.generate(drawing, lambda _step, _steps: None)
    return np.frombuffer(pixels.data, np.uint8).astype(float)


@functools.cache
def plainly(drawing=DRAWING):
    """What the pipeline draws with nothing installed, once for all tests."""
    return draw(loaded(), drawing)


def test_modulations_computed_at_once_are_those_of_each_step(model):
    expected = plainly()
    pipeline = model._pipeline
    modulations = Modulations(pipeline.transformer)
    pipeline.transformer.forward = Modulated(pipeline.transformer.forward, modulations, pipeline.scheduler)
    assert np.abs(draw(model) - expected).max() <= 1
    # Another prompt, other steps: the table is filled anew.
    other = Drawing("a green leaf", 256, (7,), steps=3)
    assert np.abs(draw(model, other) - expected).max() > 1
    assert np.abs(draw(model) - expected).max() <= 1


def test_without_the_row_of_the_step_the_image_is_another(model):
    """The test above would see it."""
    expected = plainly()
    pipeline = model._pipeline
    modulations = Modulations(pipeline.transformer)
    modulations.select = lambda _step: None
    pipeline.transformer.forward = Modulated(pipeline.transformer.forward, modulations, pipeline.scheduler)
    assert np.abs(draw(model) - expected).max() > 1


@pytest.mark.parametrize(("kind", "least"), [(None, 80), ("fp8", 30), ("int8", 36), ("nf4", 26)])
def test_the_denoiser_computes_what_diffusers_does(model, kind, least):
    """Two images at once, with all that a card's plans put around it; the products of the 8-bit and 4-bit ones too."""
    two = Drawing(DRAWING.prompt, 256, (7, 8), steps=2, guidance=2.0)
    expected = plainly(two)
    pipeline = model._pipeline
    transformer = pipeline.transformer
    for block in (*transformer.transformer_blocks, *transformer.single_transformer_blocks):
        block.attn.fuse_projections()
        if kind:
            quantize_layers(block, kind)
    modulations = Modulations(transformer)
    transformer.forward = Modulated(Denoiser(transformer, BACKENDS), modulations, pipeline.scheduler)
    found = 10 * np.log10(255**2 / max(1e-9, np.mean((draw(model, two) - expected) ** 2)))
    print(f"{kind}: {found:.1f} dB")
    assert found >= least


def extrapolate(model, computed):
    """Returns a list that has an entry for each step that is computed from now on."""
    pipeline, calls = model._pipeline, []
    forward = pipeline.transformer.forward

    def counted(**inputs):
        calls.append(1)
        return forward(**inputs)

    pipeline.transformer.forward = Extrapolation(counted, pipeline.scheduler, computed)
    return calls


def test_a_draft_runs_the_transformer_at_half_of_the_steps_and_is_close(model):
    sixteen = replace(DRAWING, steps=16)
    expected = plainly(sixteen)
    calls = extrapolate(model, few(2))
    drafted = draw(model, sixteen)
    # 4 first ones, then every second of the other 12.
    assert len(calls) == 10
    assert 20 < 10 * np.log10(255**2 / np.mean((drafted - expected) ** 2)) < 60


@pytest.mark.parametrize(
    ("steps", "interval", "count"),
    [(28, 1, 28), (28, 2, 16), (28, 3, 12), (50, 3, 19), (16, 2, 10), (15, 2, 15), (8, 2, 8), (4, 3, 4), (1, 2, 1)],
)
def test_which_steps_are_computed(steps, interval, count):
    found = [step for step in range(steps) if few(interval)(step, steps)]
    assert len(found) == count
    assert found[0] == 0
    # What is skipped after the last computed step is not made good any more.
    assert found[-1] == (steps - 1 if count == steps else steps - 2)


@pytest.mark.parametrize(
    ("steps", "skipped"),
    [(28, [7, 14, 21]), (16, [7, 14]), (22, [7, 14]), (50, [7, 14, 21, 28, 35, 42]), (15, []), (8, []), (1, [])],
)
def test_fast_leaves_out_one_step_of_seven_and_none_at_an_end(steps, skipped):
    assert [step for step in range(steps) if not SPEED_PLANS["fast"].computed(step, steps)] == skipped


def test_what_fast_leaves_out_is_hardly_seen(model):
    """A drawing of 16 steps lacks two of them."""
    sixteen = replace(DRAWING, steps=16)
    expected = plainly(sixteen)
    calls = extrapolate(model, most)
    found = 10 * np.log10(255**2 / np.mean((draw(model, sixteen) - expected) ** 2))
    print(f"{found:.1f} dB")
    assert len(calls) == 14
    assert found >= 50


def test_the_first_steps_are_computed_and_the_gaps_grow():
    """An error at the composition's steps changes all that follow."""
    draft = SPEED_PLANS["draft"].computed
    assert [step for step in range(28) if draft(step, 28)] == [0, 1, 2, 3, 4, 7, 11, 15, 19, 23, 26]
    for steps in (16, 20, 28, 50):
        found = [step for step in range(steps) if few(3)(step, steps)]
        gaps = [after - before for before, after in pairwise(found)]
        assert gaps[:2] == [1, 1]
        assert max(gaps[: len(gaps) // 2]) <= max(gaps[len(gaps) // 2 :])
        assert max(gaps) <= max(4, steps // 10)
        # Where what 8 bits round weighs most.
        assert gaps[-1] < max(gaps) or max(gaps) < 4


def test_a_velocity_that_is_linear_in_sigma_is_extrapolated_exactly():
    sigmas = torch.linspace(1, 0, 17)
    scheduler = SimpleNamespace(sigmas=sigmas, timesteps=sigmas[:16] * 1000, step_index=None)
    velocity = Extrapolation(lambda **_: (3 * sigmas[scheduler.step_index or 0] + torch.ones(2),), scheduler, few(3))
    for step in range(16):
        scheduler.step_index = step or None
        torch.testing.assert_close(velocity()[0], 3 * sigmas[step] + torch.ones(2))


def test_what_was_skipped_is_made_good_at_the_next_computed_step():
    """The latents are where velocities interpolated between the computed steps would have moved them."""
    sigmas = torch.linspace(1, 0, 17) ** 0.5
    scheduler = SimpleNamespace(sigmas=sigmas, timesteps=sigmas[:16] * 1000, step_index=None)
    velocity = Extrapolation(lambda **_: (sigmas[scheduler.step_index or 0].expand(2) ** 2,), scheduler, few(3))
    known = [step for step in range(16) if few(3)(step, 16)]
    lengths = sigmas[1:] - sigmas[:-1]
    xp, fp = sigmas[known].flip(0).numpy(), (sigmas[known] ** 2).flip(0).numpy()
    moves = torch.from_numpy(np.interp(sigmas[:16].numpy(), xp, fp)).float() * lengths
    latents = torch.zeros(2)
    for step in range(16):
        scheduler.step_index = step or None
        latents += velocity()[0] * lengths[step]
        if step in known:
            torch.testing.assert_close(latents, moves[: step + 1].sum().expand(2))


def test_fp8_products_are_of_the_blocks_but_not_of_their_modulations(model):
    transformer = model._pipeline.transformer
    expected = plainly()
    _quantize(transformer.transformer_blocks, "fp8")
    _quantize(transformer.single_transformer_blocks, "fp8")
    kinds = {type(module).__name__ for block in transformer.transformer_blocks for module in block.attn.modules()}
    assert "Fp8Linear" in kinds
    assert "Linear" not in kinds
    assert type(transformer.single_transformer_blocks[0].proj_out).__name__ == "Fp8Linear"
    assert type(transformer.single_transformer_blocks[0].norm.linear).__name__ == "Linear"
    assert 10 * np.log10(255**2 / np.mean((draw(model) - expected) ** 2)) > 25


def test_t5s_bias_is_laid_out_and_changes_nothing(model):
    before = [tensor.clone() for tensor in model._encode_prompt("a green leaf")]
    t5 = model._pipeline.text_encoder_2
    _lay_out_t5_bias(t5)
    assert t5.encoder.block[0].layer[0].SelfAttention.compute_bias(8, 8).is_contiguous()
    for tensor, expected in zip(model._encode_prompt("a green leaf"), before, strict=True):
        torch.testing.assert_close(tensor, expected)


class Graphs:
    """A graph's place in the wiring, without a card."""

    def __init__(self, forward, served):
        self._forward = forward
        self.served = served
        self.cleared = False

    def clear(self):
        self.cleared = True


def chain(forward):
    """The names of what stands in for a forward, from the outermost."""
    names = []
    while not isinstance(forward, MethodType):
        names.append(type(forward).__name__)
        if isinstance(forward, Denoiser):
            break
        forward = forward._forward
    return names


@pytest.mark.parametrize(
    ("speed", "memory", "expected", "graphs"),
    [
        ("exact", "full", ["Modulated", "Graphs", "Denoiser"], 3),
        ("draft", "full", ["Extrapolation", "Modulated", "Graphs", "Denoiser"], 3),
        ("draft", "4bit", ["Extrapolation", "Modulated", "Denoiser"], 1),
        ("draft", "offload", [], 0),
    ],
)
def test_a_plan_is_installed_in_the_order_of_the_table(model, monkeypatch, speed, memory, expected, graphs):
    monkeypatch.setattr(wiring, "Graphs", Graphs)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr(torch.cuda, "Stream", object)
    pipeline = model._pipeline
    transformer = pipeline.transformer
    for block in (*transformer.transformer_blocks, *transformer.single_transformer_blocks):
        block.attn.fuse_projections()
    installed = install(pipeline, SPEED_PLANS[speed], memory_plan.plans((9, 0))[memory], {256, 512}, images=3)
    assert chain(transformer.forward) == expected
    joined = hasattr(transformer.single_transformer_blocks[0], "proj_out")
    assert joined == (memory == "offload" or (speed == "draft" and memory == "full"))
    assert (type(pipeline.vae.decoder.forward).__name__ == "CompiledDecoder") == (memory == "full")
    assert [made.served for made in installed.graphs] == ([6] if memory == "full" else []) + [1] * min(graphs, 2)
    assert len(installed.graphs) == graphs
    installed.free()
    assert all(graph.cleared for graph in installed.graphs)
