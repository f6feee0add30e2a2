"""The memory plans (`MEMORY_PLAN`): how the weights are kept, in bf16, in 8 or 4 bits, or streamed from the host.

The memory that a plan takes is estimated from the model's configuration; `auto` chooses the first plan that fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from diffusers import AutoencoderKL, FluxTransformer2DModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

from shared.canvas import Canvas
from shared.observability.logging import get_logger
from worker.flux.linears import BYTES_PER_WEIGHT

if TYPE_CHECKING:
    from worker.flux.checkpoint import Checkpoint

log = get_logger(__name__)
GIB = 2**30
# Rough figures for FLUX.1 and one image of 1024 x 1024 with so many tokens of text. DENOISE_BYTES grow with the number
# of all tokens, DECODE_BYTES with that of pixels. On an H100 the peaks were 37.7 (full), 21.2 (8bit), 10.5 (4bit) and
# 6.8 GiB (offload). Those are up to 1.3 above the estimates, but for offload's, whose estimate leaves out the weights
# that are on the card while they are streamed.
TEXT_TOKENS = 512
DENOISE_BYTES = 1.6 * GIB
DECODE_BYTES = 2.6 * GIB
TILED_DECODE_BYTES = 0.9 * GIB
# Context, cuBLAS and cuDNN workspaces, compiled kernels.
CONTEXT_BYTES = 0.8 * GIB
FP8_CAPABILITY = (8, 9)


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    name: str
    transformer: str = "bf16"  # how its weights are kept, a key of BYTES_PER_WEIGHT
    t5: str = "bf16"
    streams_t5: bool = False  # T5's weights stay in the host's memory and go to the card layer by layer
    streams_everything: bool = False  # so do all but the autoencoder's, the transformer's at each step
    tiles_vae: bool = False  # images are decoded in tiles, whose edges are blended


@dataclass(frozen=True, slots=True)
class Size:
    """Numbers of parameters of a model."""

    linear: int  # weights of the blocks' linear layers, which can be quantized
    other: int

    def bytes_as(self, kind: str) -> float:
        return self.linear * BYTES_PER_WEIGHT[kind] + 2.0 * self.other


@dataclass(frozen=True, slots=True)
class Sizes:
    transformer: Size
    t5: Size
    rest: Size  # CLIP and the autoencoder


def eight_bits(capability: tuple[int, int]) -> str:
    """How the card multiplies 8 bits, a key of BYTES_PER_WEIGHT."""
    return "fp8" if capability >= FP8_CAPABILITY else "int8"


def plans(capability: tuple[int, int]) -> dict[str, MemoryPlan]:
    """By name, from the most memory to the least. 8 bits are fp8 where the card multiplies it, else int8."""
    eight = eight_bits(capability)
    return {
        "full": MemoryPlan("full"),
        "8bit": MemoryPlan("8bit", transformer=eight, t5=eight),
        "4bit": MemoryPlan("4bit", transformer="nf4", t5=eight, streams_t5=True, tiles_vae=True),
        "offload": MemoryPlan("offload", streams_everything=True, tiles_vae=True),
    }


def estimate(
    plan: MemoryPlan, sizes: Sizes, *, pixels: Canvas | int = 1024, images: int = 1, text_tokens: int = TEXT_TOKENS
) -> float:
    """Bytes of the card at the peak of a batch of `images` of `pixels`, with those of the CUDA context. Oblongs
    take what squares of as many pixels take.
    """
    area = Canvas.of(pixels).pixels
    scale = area / 1024**2 * images
    # A latent token is 16 x 16 pixels.
    denoise = DENOISE_BYTES * images * (area / 16**2 + text_tokens) / (64**2 + TEXT_TOKENS)
    decode = TILED_DECODE_BYTES * images if plan.tiles_vae else DECODE_BYTES * scale
    weights = 0.0 if plan.streams_everything else sizes.transformer.bytes_as(plan.transformer)
    weights += 0.0 if plan.streams_t5 or plan.streams_everything else sizes.t5.bytes_as(plan.t5)
    return weights + sizes.rest.bytes_as("bf16") + denoise + decode + CONTEXT_BYTES


def choose(  # noqa: PLR0913 - the card, the model and the settings
    wanted: str,
    free_bytes: int,
    capability: tuple[int, int],
    sizes: Sizes,
    *,
    images: int = 1,
    text_tokens: int = TEXT_TOKENS,
) -> MemoryPlan:
    """A plan that does not fit is chosen with a warning.

    :param wanted: a plan's name; or auto: the first plan that fits, `offload` where none does.
    :param free_bytes: of the card, before this process has a CUDA context.
    :param images: of a batch.
    """
    known = plans(capability)
    needs = {name: estimate(plan, sizes, images=images, text_tokens=text_tokens) for name, plan in known.items()}
    fitting = (name for name, need in needs.items() if need <= free_bytes)
    name = next(fitting, "offload") if wanted == "auto" else wanted
    log.info(
        "memory.plan",
        plan=name,
        free_gib=round(free_bytes / GIB, 1),
        needs_gib={name: round(need / GIB, 1) for name, need in needs.items()},
    )
    if needs[name] > free_bytes:
        log.warning("memory.short", plan=name, missing_gib=round((needs[name] - free_bytes) / GIB, 1))
    return known[name]


def sizes_of(checkpoint: Checkpoint) -> Sizes:
    """From the checkpoint's configurations: the modules are built on the meta device, without weights."""
    with torch.device("meta"):
        transformer: Any = FluxTransformer2DModel.from_config(checkpoint.config("transformer"))
        t5 = T5EncoderModel(T5Config(**checkpoint.config("text_encoder_2")))
        clip = CLIPTextModel(CLIPTextConfig(**checkpoint.config("text_encoder")))
        vae: Any = AutoencoderKL.from_config(checkpoint.config("vae"))
    return Sizes(transformer=_size(transformer), t5=_size(t5), rest=Size(0, sum(sum(_pair(m)) for m in (clip, vae))))


def _size(model: nn.Module) -> Size:
    return Size(*_pair(model))


def _pair(model: nn.Module) -> tuple[int, int]:
    blocks = [child for child in model.modules() if isinstance(child, nn.ModuleList)]
    linears = {module for child in blocks for module in child.modules() if isinstance(module, nn.Linear)}
    linear = sum(module.weight.numel() for module in linears)
    return linear, sum(parameter.numel() for parameter in model.parameters()) - linear
