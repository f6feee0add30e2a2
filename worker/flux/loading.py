"""Loads a checkpoint block by block, from mapped files straight to the card.

Each block is read, its LoRA adapters are added, its projections fused and its layers quantized, before the next is
read. So neither the host nor the card ever holds more than one block unquantized.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch
from accelerate import cpu_offload
from diffusers import FluxPipeline, FluxTransformer2DModel
from diffusers.models.attention import AttentionModuleMixin
from torch import nn
from transformers import T5Config, T5EncoderModel

from shared.observability.logging import get_logger
from worker.flux.linears import KINDS, quantize_layers
from worker.flux.staging import Staging

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.flux.checkpoint import Checkpoint, Tensors
    from worker.flux.lora import Adapters
    from worker.flux.memory_plan import MemoryPlan

log = get_logger(__name__)
PROGRESS_SECONDS = 2.0


def load_whole(checkpoint: Checkpoint, adapters: Adapters, device: torch.device, dtype: torch.dtype) -> Any:
    """A `FluxPipeline` as diffusers loads it, for a CPU or a Mac (mps).

    :raises CheckpointError: an adapter does not fit the model.
    """
    pipeline = FluxPipeline.from_pretrained(checkpoint.directory, dtype=dtype, use_safetensors=True)
    with torch.no_grad():
        for name, weight in pipeline.transformer.named_parameters():
            weight.copy_(adapters.add(name, weight))
    adapters.check_all_used()
    return pipeline.to(device)


def load(checkpoint: Checkpoint, plan: MemoryPlan, adapters: Adapters, device: torch.device, dtype: torch.dtype) -> Any:
    """A `FluxPipeline` for a card, each weight where and in the format that `plan` says.

    :raises CheckpointError: a tensor is missing or of another shape.
    """
    folder = checkpoint.directory
    home = torch.device("cpu") if plan.streams_everything else device
    with torch.device("meta"):
        transformer: Any = FluxTransformer2DModel.from_config(checkpoint.config("transformer"))
        t5: Any = T5EncoderModel(T5Config.from_pretrained(folder / "text_encoder_2"))
    # T5 first: where it is streamed, it leaves the card before the transformer needs the memory.
    _fill(t5, checkpoint.tensors("text_encoder_2"), plan.t5, home, dtype)
    t5.encoder.embed_tokens.weight = t5.shared.weight
    if plan.streams_t5:
        t5.to("cpu")
        cpu_offload(t5, execution_device=device, offload_buffers=True)
    _fill(transformer, checkpoint.tensors("transformer"), plan.transformer, home, dtype, adapters.add)
    adapters.check_all_used()
    # CLIP, the autoencoder, the tokenizers and the scheduler are small: diffusers loads them.
    pipeline: Any = FluxPipeline.from_pretrained(
        folder, transformer=transformer, text_encoder_2=t5, dtype=dtype, use_safetensors=True
    )
    pipeline.vae.to(home)
    pipeline.text_encoder.to(home)
    if plan.streams_everything:
        pipeline.enable_group_offload(
            onload_device=device, offload_type="leaf_level", use_stream=device.type == "cuda", exclude_modules=["vae"]
        )
        pipeline.vae.to(device)
    if plan.tiles_vae:
        pipeline.vae.enable_tiling()
    return pipeline


def _fill(  # noqa: PLR0913 - a module, its weights, and how they are kept
    model: nn.Module,
    tensors: Tensors,
    kind: str,
    device: torch.device,
    dtype: torch.dtype,
    adapt: Callable[[str, torch.Tensor], torch.Tensor] = lambda _, weight: weight,
) -> None:
    """Gives the parameters of `model`, which are on the meta device, their values.

    :param kind: how the linear layers of the blocks are kept, a key of BYTES_PER_WEIGHT. The others keep `dtype`: they
        are 0.5 % of FLUX's weights, and each of them bears on every token. The modulations, which are a quarter of the
        weights, are in the blocks.
    :param adapt: from a parameter's name and value to the value to use.
    """
    progress, staging = _Progress(model), Staging(device)
    with tensors, torch.no_grad():
        for name, unit in _units(model):
            for path, module in unit.named_modules(prefix=name):
                for own, parameter in list(module.named_parameters(recurse=False)):
                    full = f"{path}.{own}" if path else own
                    source = full if full in tensors else _ALIASES.get(full, full)
                    value = adapt(full, staging.to_device(tensors.get(source, parameter.shape), _dtype(full, dtype)))
                    setattr(module, own, nn.Parameter(value, requires_grad=False))
                    progress.add(value)
            for module in unit.modules():
                if isinstance(module, AttentionModuleMixin):
                    _fuse(module)
            if kind in KINDS and name.rpartition(".")[2].isdecimal():
                quantize_layers(unit, kind)
    model.eval()


# T5's embedding has two names, of which a file has one.
_ALIASES = {"encoder.embed_tokens.weight": "shared.weight", "shared.weight": "encoder.embed_tokens.weight"}


def _dtype(name: str, dtype: torch.dtype) -> torch.dtype:
    """In fp16, float32 for T5's output projections, which would overflow (transformers' `_keep_in_fp32_modules`)."""
    return torch.float32 if dtype is torch.float16 and name.endswith("DenseReluDense.wo.weight") else dtype


def _units(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """(name, module) of each block of the model, and of each part that is not in a block."""
    units: list[tuple[str, nn.Module]] = []
    for name, child in model.named_children():
        if isinstance(child, nn.ModuleList):
            units += [(f"{name}.{index}", block) for index, block in child.named_children()]
        elif any(isinstance(part, nn.ModuleList) and part for part in child.children()):
            units += [(f"{name}.{inner}", block) for inner, block in _units(child)]
        else:
            units.append((name, child))
    return units


def _fuse(attention: Any) -> None:
    """Replaces the three projections to queries, keys and values by one."""
    attention.fuse_projections()
    for name in ("to_q", "to_k", "to_v", "add_q_proj", "add_k_proj", "add_v_proj"):
        if getattr(attention, name, None) is not None:
            delattr(attention, name)


class _Progress:
    """Logs the share of parameters that are loaded, every PROGRESS_SECONDS and at the end."""

    def __init__(self, model: nn.Module) -> None:
        self._name = type(model).__name__
        self._total = sum(parameter.numel() for parameter in model.parameters())
        self._done = 0
        self._said = time.monotonic()

    def add(self, value: torch.Tensor) -> None:
        self._done += value.numel()
        if time.monotonic() - self._said >= PROGRESS_SECONDS or self._done == self._total:
            self._said = time.monotonic()
            log.info("model.loading", part=self._name, percent=round(100 * self._done / max(1, self._total)))
