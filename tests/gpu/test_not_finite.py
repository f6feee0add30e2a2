"""A number that is not finite, in any layer and in every plan of a card, ends the drawing. The CPU model's weights,
poisoned in place after the graphs are captured: a graph reads them where they are.
"""

import re

import pytest
import torch

from shared.gpus import list_gpus
from worker.flux.attention import Choice, Kernel, kernels
from worker.flux.model import FluxModel
from worker.flux.modulation import Modulated
from worker.model import Drawing, GenerationError
from worker.settings import WorkerSettings

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(600)]
DRAWING = Drawing("a green leaf", 256, (1,), steps=1)
# `offload` runs diffusers' own layers, none of the kernels.
PLANS = {
    "exact": {},
    "fast": {"speed_plan": "fast"},
    "draft": {"speed_plan": "draft"},
    "8bit": {"memory_plan": "8bit"},
    "4bit": {"memory_plan": "4bit"},
    "exact, flash3": {},
    "fast, fp8 attention": {"speed_plan": "fast", "fp8_attention": True},
}
# The CPU model's attentions are too small for another kernel than torch's to be the fastest.
FORCED = {"exact, flash3": Kernel.FLASH3, "fast, fp8 attention": Kernel.FP8}


@pytest.fixture(scope="module", params=PLANS)
def model(request):
    (card, *_) = list_gpus()
    config = {"torch_device": "cuda", "model_name": "logo-mini", "served_sizes": "256", "warmup_steps": 1}
    kernel = FORCED.get(request.param, Kernel.TORCH)
    if kernel not in kernels(torch.cuda.get_device_capability(), torch.bfloat16, fp8=True):
        pytest.skip("needs Hopper and the package fa3-fwd")
    made = FluxModel(WorkerSettings(_env_file=None, **config | PLANS[request.param]), card)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Choice, "kernel", lambda *_: kernel)
        made.setup()
        yield made


def parts(model):
    """The modules whose weights a drawing reads; the modulations are no longer in the transformer."""
    pipeline = model._pipeline
    forward = pipeline.transformer.forward
    while not isinstance(forward, Modulated):
        forward = forward._forward
    modulations = forward._modulations
    return {
        "transformer": pipeline.transformer,
        "modulations": torch.nn.ModuleList([modulations._embed, *modulations._linears]),
        "text_encoder": pipeline.text_encoder,
        "text_encoder_2": pipeline.text_encoder_2,
        "decoder": pipeline.vae.decoder,
    }


# Of the single-stream blocks, those in the middle.
ALIKE = re.compile(r"single_transformer_blocks\.[1-7]\.")


def tensors(module):
    """(name, tensor) of each weight, scale and bias. Weights in 8 and 4 bits are poisoned by their scales."""
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        floats = tensor.is_floating_point() and tensor.dtype is not torch.float8_e4m3fn
        if name.endswith(("weight", "bias", "scale")) and floats and not tensor.is_meta and not ALIKE.search(name):
            yield name, tensor


def drawn(model):
    """Whether anything but the right error comes of it."""
    model._embeddings.cache_clear()
    try:
        model.generate(DRAWING, lambda *_: None)
    except GenerationError as error:
        return error.code != "output_not_finite"
    return True


@pytest.mark.parametrize("part", ["transformer", "modulations", "text_encoder", "text_encoder_2", "decoder"])
def test_a_poisoned_layer_never_draws_an_image(model, part):
    assert drawn(model)
    swallowed = []
    for name, tensor in tensors(parts(model)[part]):
        # One number; all of a text encoder's, because a prompt reads a few rows of an embedding, and one infinite query
        # may have no weight in an attention.
        place = ... if part.startswith("text_encoder") else (0,) * tensor.ndim
        kept = tensor.detach().clone()
        for poison in (float("nan"), float("inf")):
            with torch.inference_mode():
                tensor[place] = poison
            if drawn(model):
                swallowed.append((name, poison))
            with torch.inference_mode():
                tensor.copy_(kept)
    assert not swallowed
    assert drawn(model)
