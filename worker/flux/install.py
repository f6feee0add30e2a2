"""What a speed plan puts on a pipeline, step by step. The order matters; `install` follows this table.

    step               what it replaces               why here in the order
    1 8-bit products   linear layers of the blocks    first: the denoiser looks at the layers' classes once, when it is
                       (fast, draft)                  made; the modulations' layers keep bf16, they run once a request
    2 modulations      each AdaLN's linear layer, by  before the denoiser, which reads the rows, and before any graph,
      table            a row of a table; the time     which captures their address
                       embedding
    3 denoiser         transformer.forward            innermost: few kernels, no work of the host between them
    4 CUDA graph       the denoiser                   around the kernels only: what depends on the step stays outside
    5 modulated        the graph                      outside it: copies the step's row to where the graph reads it
    6 extrapolation    modulated (fast, draft)        outermost: a skipped step runs none of 3 to 5
    7 T5 bias layout   T5's compute_bias              before T5's graph: the layout decides which attention it captures
    8 encoder graphs   CLIP's and T5's forward        independent of 1 to 6, as 9 is
    9 decoder compile  the decoder's forward

So a call of `transformer.forward` goes through 6, 5, 4 and 3. What a memory plan leaves out:

    offload   everything: the weights move at each step
    4bit      4, because the decoder needs the memory that a graph would keep, and unpacking weights takes the card
              longer than launching kernels takes the host; T5's graph, because its weights are streamed; 9, because
              it decodes in tiles
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.attention import SDPBackend

from shared.canvas import Canvas
from shared.observability.logging import get_logger
from worker.flux import attention
from worker.flux.decoder import CompiledDecoder
from worker.flux.denoiser import Denoiser
from worker.flux.extrapolation import Extrapolation
from worker.flux.graphs import Graphs
from worker.flux.linears import quantize_layers
from worker.flux.memory_plan import eight_bits
from worker.flux.modulation import Modulated, Modulations

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from worker.flux.memory_plan import MemoryPlan
    from worker.flux.speed_plan import SpeedPlan

log = get_logger(__name__)
# On Hopper cuDNN's attention is about twice as fast as torch's flash attention, on older cards it is not.
CUDNN_CAPABILITY = (9, 0)
# Older cards multiply int8 too, but Triton has no kernels for them.
INT8_CAPABILITY = (8, 0)
BACKENDS = (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH)


@dataclass(slots=True)
class Installed:
    """The parts of an installed plan that hold memory beyond the weights."""

    graphs: list[Graphs] = field(default_factory=list)

    def free(self) -> None:
        """Frees the memory of all CUDA graphs; the next call of each forward captures its graph again."""
        for graphs in self.graphs:
            graphs.clear()

    def graphed(self, forward: Callable[..., Any], served: int = 1) -> Graphs:
        """`served`: the number of shapes that are captured before the worker is ready."""
        self.graphs.append(Graphs(forward, served))
        return self.graphs[-1]


def install(  # noqa: PLR0913 - the pipeline, the plans and the settings
    pipeline: Any,
    plan: SpeedPlan,
    memory: MemoryPlan,
    sizes: Collection[Canvas | int],
    *,
    images: int = 1,
    fp8_attention: bool = False,
) -> Installed:
    """Puts `plan` on a `FluxPipeline` whose weights are on the card, in the order of the table above.

    :param sizes: that are served, in pixels; the decoder is compiled for them.
    :param images: of a batch, at most.
    :param fp8_attention: attend in fp8 where that is faster, if the plan multiplies in fp8.
    """
    installed = Installed()
    if memory.streams_everything:
        log.warning("speed.none", plan=plan.name, reason="the weights pass through the card at each step")
        return installed
    transformer = pipeline.transformer
    capability = torch.cuda.get_device_capability()
    # 1. Where the memory plan has quantized the blocks already, they stay as they are.
    if plan.fp8 and memory.transformer == "bf16":
        if capability >= INT8_CAPABILITY:
            for blocks in (transformer.transformer_blocks, transformer.single_transformer_blocks):
                _quantize(blocks, eight_bits(capability))
        else:
            log.warning("speed.no_8_bits", plan=plan.name, capability=capability)
    # 2.
    modulations = Modulations(transformer)
    # 3.
    backends = (SDPBackend.CUDNN_ATTENTION, *BACKENDS) if capability >= CUDNN_CAPABILITY else BACKENDS
    known = attention.kernels(capability, transformer.x_embedder.bias.dtype, fp8=plan.fp8 and fp8_attention)
    forward: Callable[..., Any] = Denoiser(transformer, backends, side_stream=not memory.tiles_vae, kernels=known)
    # 4.
    if not memory.tiles_vae:
        forward = installed.graphed(forward, len(sizes) * images)
    # 5.
    forward = Modulated(forward, modulations, pipeline.scheduler)
    # 6.
    if plan.computed:
        forward = Extrapolation(forward, pipeline.scheduler, plan.computed)
    transformer.forward = forward
    # 7.
    _lay_out_t5_bias(pipeline.text_encoder_2)
    # 8.
    pipeline.text_encoder.forward = installed.graphed(pipeline.text_encoder.forward)
    if not memory.streams_t5:
        pipeline.text_encoder_2.forward = installed.graphed(pipeline.text_encoder_2.forward)
    # 9.
    if not memory.tiles_vae:
        decoder = pipeline.vae.decoder
        served, cell = [Canvas.of(size) for size in sizes], pipeline.vae_scale_factor
        decoder.forward = CompiledDecoder(decoder.forward, {Canvas(s.width // cell, s.height // cell) for s in served})
    return installed


def _quantize(blocks: Iterable[Any], kind: str) -> None:
    """Replaces the layers that multiply all tokens; the modulations' layers (`norm…`) run once a request.

    :param kind: a key of KINDS.
    """
    for block in blocks:
        for name, child in block.named_children():
            if not name.startswith("norm"):
                holder = torch.nn.ModuleDict({name: child})
                quantize_layers(holder, kind)
                setattr(block, name, holder[name])


def _lay_out_t5_bias(t5: Any) -> None:
    """Makes T5's position bias (1, H, T_text, T_text) contiguous. It comes transposed, which no fused attention takes:
    torch would multiply in float32 instead, half of the encoder's time.
    """
    attention = t5.encoder.block[0].layer[0].SelfAttention
    compute = attention.compute_bias
    attention.compute_bias = lambda *rest, **named: compute(*rest, **named).contiguous()
