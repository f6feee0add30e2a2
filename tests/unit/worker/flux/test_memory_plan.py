"""With FLUX.1's real sizes, and cards' memory as NVML reports it with little else on them."""

import pytest
import torch
from diffusers import FluxTransformer2DModel
from transformers import T5Config, T5EncoderModel

from worker.flux import memory_plan
from worker.flux.memory_plan import GIB, MemoryPlan, Size, Sizes

HOPPER, ADA, AMPERE = (9, 0), (8, 9), (8, 6)
T5_XXL = {"vocab_size": 32128, "d_model": 4096, "d_kv": 64, "num_heads": 64, "d_ff": 10240, "num_layers": 24}


@pytest.fixture(scope="module")
def flux():
    with torch.device("meta"):
        transformer = FluxTransformer2DModel(guidance_embeds=True)
        t5 = T5EncoderModel(T5Config(**T5_XXL, feed_forward_proj="gated-gelu"))
    # CLIP-L has 123 million parameters, the autoencoder 84.
    return Sizes(memory_plan._size(transformer), memory_plan._size(t5), Size(0, 207_000_000))


@pytest.mark.parametrize(
    ("card", "free_mib", "capability", "plan"),
    [
        ("80 GB, H100", 81_008, HOPPER, MemoryPlan("full")),
        ("48 GB, A6000", 48_300, AMPERE, MemoryPlan("full")),
        ("24 GB, 4090", 24_100, ADA, MemoryPlan("8bit", "fp8", "fp8")),
        ("24 GB, 3090", 24_100, AMPERE, MemoryPlan("8bit", "int8", "int8")),
        ("16 GB, 4060 Ti", 16_000, ADA, MemoryPlan("4bit", "nf4", "fp8", streams_t5=True, tiles_vae=True)),
        ("12 GB, 3060", 11_900, AMPERE, MemoryPlan("4bit", "nf4", "int8", streams_t5=True, tiles_vae=True)),
        ("8 GB, 3070", 7_900, AMPERE, MemoryPlan("offload", streams_everything=True, tiles_vae=True)),
    ],
)
def test_auto_takes_the_first_plan_that_fits(flux, card, free_mib, capability, plan):
    assert memory_plan.choose("auto", free_mib * 2**20, capability, flux) == plan


def test_estimates_are_within_their_caps(flux):
    needs = {name: memory_plan.estimate(plan, flux) / GIB for name, plan in memory_plan.plans(HOPPER).items()}
    assert needs["8bit"] < 22.5
    assert needs["4bit"] < 10.8
    assert needs["offload"] < 8
    # The weights alone, in bf16: transformer 22.2, T5 8.9, the others 0.4.
    assert 31.4 < needs["full"] < 40


def test_what_is_outside_of_the_blocks_is_counted_in_bf16():
    with torch.device("meta"):
        transformer = FluxTransformer2DModel(guidance_embeds=True)
    blocks = (transformer.transformer_blocks, transformer.single_transformer_blocks)
    linears = [part for block in blocks for part in block.modules() if isinstance(part, torch.nn.Linear)]
    found = memory_plan._size(transformer)
    assert found.linear == sum(linear.weight.numel() for linear in linears)
    assert found.linear + found.other == sum(part.numel() for part in transformer.parameters())


def test_a_plan_that_is_named_is_taken(flux):
    assert memory_plan.choose("full", 8 * GIB, ADA, flux).name == "full"


def test_variations_that_are_drawn_together_are_counted(flux):
    assert memory_plan.choose("auto", 48_300 * 2**20, AMPERE, flux, images=4).name == "8bit"
