"""A number that is not finite, in any layer and however the weights are kept, ends the drawing and never becomes an
image. On the CPU model; tests/gpu has the same for the kernels.
"""

import re
from contextlib import contextmanager

import pytest
import torch

from shared.canvas import Canvas
from worker.flux import loading, memory_plan
from worker.flux.checkpoint import CPU_MODEL_PATH, Checkpoint
from worker.flux.denoiser import Denoiser
from worker.flux.install import BACKENDS
from worker.flux.linears import KINDS
from worker.flux.lora import Adapters
from worker.flux.model import CPU_MODEL_BUCKETS, FluxModel
from worker.flux.modulation import Modulated, Modulations
from worker.flux.rows import Addend, add_norm, quantize, to_rows
from worker.model import Drawing, GenerationError
from worker.settings import WorkerSettings

CPU = torch.device("cpu")
DRAWING = Drawing("a green leaf", 256, (1,), steps=1)
POISONS = NAN, INF = float("nan"), float("inf")
EIGHT_BITS = pytest.mark.parametrize("planned", ["fp8"], indirect=True)
# A processor multiplies int8 and unpacks nf4 for minutes: of these, single layers below.
PLANS = {"bf16": "full", "fp8": "8bit"}


@pytest.fixture(scope="module", params=PLANS)
def planned(request):
    """(model, what holds its modulations): loaded in fp32 and put together as for a card."""
    plan = memory_plan.plans((9, 0))[PLANS[request.param]]
    pipeline = loading.load(Checkpoint(CPU_MODEL_PATH), plan, Adapters(""), CPU, torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    modulations = Modulations(pipeline.transformer)
    denoiser = Denoiser(pipeline.transformer, BACKENDS)
    pipeline.transformer.forward = Modulated(denoiser, modulations, pipeline.scheduler)
    model = FluxModel(WorkerSettings(_env_file=None, torch_device="cpu"), None)
    model._buckets, model._pipeline = CPU_MODEL_BUCKETS, pipeline
    return model, torch.nn.ModuleList([modulations._embed, *modulations._linears])


# Of blocks that are alike, the first.
LATER_BLOCK = re.compile(r"(blocks|layers|block|up_blocks|resnets)\.[1-9]")


def tensors(module):
    """{name: tensor} of each layer: its bias, or else its weight or the scale of it."""
    found = {}
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        layer, _, own = name.rpartition(".")
        if own in {"weight", "bias", "scale"} and tensor.is_floating_point() and not tensor.is_meta:
            found[layer] = (name, tensor)
    return {name: tensor for name, tensor in found.values() if not LATER_BLOCK.search(name)}


@contextmanager
def poisoned(name, tensor, poison):
    """One number; all of a text encoder's, because a prompt reads a few rows of an embedding, and one infinite query
    may have no weight in an attention.
    """
    place = ... if name.startswith(("shared", "embeddings", "encoder")) else (0,) * tensor.ndim
    kept = tensor.detach().clone()
    with torch.no_grad():
        tensor[place] = poison
    try:
        yield
    finally:
        with torch.no_grad():
            tensor.copy_(kept)


def swallowed(module, run):
    """The (tensor, poison) that leave `run`'s output finite."""
    with torch.inference_mode():
        assert torch.isfinite(run()).all()
    found = []
    for name, tensor in tensors(module).items():
        for poison in POISONS:
            with poisoned(name, tensor, poison), torch.inference_mode():
                if torch.isfinite(run()).all():
                    found.append((name, poison))
    return found


def test_the_transformers_velocity_is_not_finite(planned):
    model, modulations = planned
    with torch.inference_mode():
        embeds, pooled = model._encode_prompt("a green leaf")

    def run():
        size = {"height": 64, "width": 64, "num_inference_steps": 1, "output_type": "latent"}
        return model._pipeline(prompt_embeds=embeds, pooled_prompt_embeds=pooled, **size).images

    assert not swallowed(model._pipeline.transformer, run)
    assert not swallowed(modulations, run)


@EIGHT_BITS
@pytest.mark.parametrize("part", ["text_encoder", "text_encoder_2"])
def test_a_prompts_embeddings_are_not_finite(planned, part):
    model, _ = planned
    output = ["text_encoder_2", "text_encoder"].index(part)
    assert not swallowed(getattr(model._pipeline, part), lambda: model._encode_prompt("a green leaf")[output])


@EIGHT_BITS
def test_the_decoders_output_is_not_finite(planned):
    model, _ = planned
    latents = torch.randn(1, 16, 32, generator=torch.Generator().manual_seed(0))
    assert not swallowed(model._pipeline.vae.decoder, lambda: model._decode(latents, Canvas(64, 64)))


@EIGHT_BITS
@pytest.mark.parametrize(
    ("part", "tensor", "poison"),
    [
        ("transformer", "single_transformer_blocks.0.proj_mlp.bias", NAN),
        ("text_encoder", "encoder.layers.0.mlp.fc1.bias", NAN),
        ("text_encoder_2", "shared.weight", NAN),
        ("vae", "decoder.conv_out.bias", INF),  # this was a white pixel
    ],
)
def test_it_ends_the_drawing(planned, part, tensor, poison):
    model, _ = planned
    model._embeddings.cache_clear()
    found = tensors(getattr(model._pipeline, part))[tensor]
    with poisoned(tensor, found, poison), pytest.raises(GenerationError) as caught:
        model.generate(DRAWING, lambda *_: None)
    assert caught.value.code == "output_not_finite"
    model._embeddings.cache_clear()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("poison", [*POISONS, -INF])
def test_a_layers_row_is_not_finite(kind, poison):
    """int8 has no code for these numbers: the row's scale carries them."""
    torch.manual_seed(0)
    linear, x = torch.nn.Linear(64, 32), torch.randn(1, 20, 64)
    with torch.inference_mode():
        x[0, 3, 5] = poison
        out = KINDS[kind](linear)(x)
        assert not torch.isfinite(out[0, 3]).any()
        assert torch.isfinite(out[0, :3]).all()
        linear.weight[7, 9] = poison
        assert not torch.isfinite(KINDS[kind](linear)(torch.randn(1, 20, 64))[..., 7]).any()


@pytest.mark.parametrize("takes", [torch.float8_e4m3fn, torch.int8])
@pytest.mark.parametrize("poison", POISONS)
def test_a_rows_scale_is_not_finite(takes, poison):
    x = torch.randn(2, 8, 64)
    x[1, 2, 3] = poison
    _, scale = quantize(x.flatten(0, 1), takes)
    both = to_rows(x, takes, gelu=True, before=torch.ones(2, 8, 64))
    zero, gate = torch.zeros(1, 64), torch.ones(1, 64)
    normed = add_norm(torch.ones(2, 8, 64), Addend(gate, [x]), zero, zero, 1e-6, takes)
    for found in (scale, both.scale, normed.scale):
        assert torch.isfinite(found).flatten().tolist() == [row != 10 for row in range(16)]
