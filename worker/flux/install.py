"""How a card draws: `exact` as the model computes in bf16, `fast` with fp8 products, `draft` with fewer of them.

All three run each step as one CUDA graph of few kernels (worker/flux/denoiser.py), compute the modulations once for a
drawing, replay the text encoders as graphs too, and compile the decoder for the sizes that are served.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.attention import SDPBackend

from shared.observability.logging import get_logger
from worker.flux.denoiser import Denoiser
from worker.flux.extrapolation import Extrapolation
from worker.flux.graphs import Graphs
from worker.flux.linears import quantize_layers
from worker.flux.memory_plan import FP8_CAPABILITY
from worker.flux.modulation import Modulations

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from worker.flux.memory_plan import MemoryPlan

log = get_logger(__name__)
# On Hopper cuDNN's attention is about twice as fast as torch's flash attention, on older cards it is not.
CUDNN_CAPABILITY = (9, 0)
BACKENDS = (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH)


@dataclass(frozen=True, slots=True)
class SpeedPlan:
    name: str
    fp8: bool = False
    interval: int = 1  # of so many steps one is computed (worker/flux/extrapolation.py)


SPEED_PLANS = {
    "exact": SpeedPlan("exact"),
    "fast": SpeedPlan("fast", fp8=True),
    "draft": SpeedPlan("draft", fp8=True, interval=2),
}


class Speed:
    """What a plan has put into a pipeline."""

    def __init__(self, pipeline: Any, plan: SpeedPlan, memory: MemoryPlan, edges: Collection[int]) -> None:
        """`edges`: pixels of the sizes whose decoder is compiled."""
        self._graphs: list[Graphs] = []
        transformer = pipeline.transformer
        if memory.streams_everything:
            log.warning("speed.none", plan=plan.name, reason="the weights pass through the card at each step")
            return
        capability = torch.cuda.get_device_capability()
        if plan.fp8 and memory.transformer == "bf16":
            if capability >= FP8_CAPABILITY:
                for blocks in (transformer.transformer_blocks, transformer.single_transformer_blocks):
                    _to_fp8(blocks)
            else:
                log.warning("speed.no_fp8", plan=plan.name, capability=capability)
        backends = (SDPBackend.CUDNN_ATTENTION, *BACKENDS) if capability >= CUDNN_CAPABILITY else BACKENDS
        modulations = Modulations(transformer)
        forward: Callable[..., Any] = Denoiser(transformer, backends, side_stream=not memory.tiles_vae)
        if not memory.tiles_vae:
            # Where memory is scarce the decoder needs what a graph would keep, and unpacking hides the host's time.
            forward = self._graphed(forward)
        forward = Modulated(forward, modulations, pipeline.scheduler)
        if plan.interval > 1:
            forward = Extrapolation(forward, pipeline.scheduler, plan.interval)
        transformer.forward = forward
        _lay_bias_out(pipeline.text_encoder_2)
        for encoder in (pipeline.text_encoder, *(() if memory.streams_t5 else (pipeline.text_encoder_2,))):
            encoder.forward = self._graphed(encoder.forward)
        if not memory.tiles_vae:
            decoder = pipeline.vae.decoder
            decoder.forward = Decode(decoder.forward, {edge // pipeline.vae_scale_factor for edge in edges})

    def free(self) -> None:
        """Lets go of what can be made again."""
        for graphs in self._graphs:
            graphs.clear()

    def _graphed(self, forward: Callable[..., Any]) -> Graphs:
        self._graphs.append(Graphs(forward))
        return self._graphs[-1]


class Decode:
    """Stands in for the decoder's forward: compiled for the shapes of the sizes that are served, else as it is."""

    def __init__(self, forward: Callable[..., Any], edges: Collection[int]) -> None:
        self._forward = forward
        self._edges = edges
        self._compiled = torch.compile(forward, fullgraph=True, dynamic=False)

    def __call__(self, latents: torch.Tensor, *rest: Any) -> Any:
        """:param latents: (images, channels, edge, edge)."""
        forward = self._compiled if latents.shape[-1] in self._edges else self._forward
        return forward(latents, *rest)


class Modulated:
    """Stands in for the transformer's forward: fills the modulations' table first, and picks each step's row."""

    def __init__(self, forward: Callable[..., Any], modulations: Modulations, scheduler: Any) -> None:
        self._forward = forward
        self._modulations = modulations
        self._scheduler = scheduler

    def __call__(self, **inputs: Any) -> Any:
        step = self._scheduler.step_index or 0
        if step == 0:
            guidance, pooled = inputs["guidance"], inputs["pooled_projections"]
            self._modulations.prepare(self._scheduler.timesteps, guidance, pooled)
        self._modulations.select(step)
        return self._forward(**inputs)


def _lay_bias_out(t5: Any) -> None:
    """T5's table of relative positions comes transposed, which no fused attention takes: torch would fall back to
    products in float32, half of the encoder's time.
    """
    attention = t5.encoder.block[0].layer[0].SelfAttention
    compute = attention.compute_bias
    attention.compute_bias = lambda *rest, **named: compute(*rest, **named).contiguous()


def _to_fp8(blocks: Any) -> None:
    """The products over all tokens; the modulations stay as they are, they are computed once for a drawing."""
    for block in blocks:
        for name, child in block.named_children():
            if not name.startswith("norm"):
                holder = torch.nn.ModuleDict({name: child})
                quantize_layers(holder, "fp8")
                setattr(block, name, holder[name])
