"""How a card draws: `exact` as the model computes in bf16, `fast` with fp8 products, `draft` with fewer of them.

All three compile the blocks, replay each step as a CUDA graph, and compute the modulations once for a drawing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from shared.logging import get_logger
from worker.extrapolation import Extrapolation
from worker.memory_plan import FP8_CAPABILITY
from worker.modulation import Modulations
from worker.quantized import quantize
from worker.step_graphs import StepGraphs

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.memory_plan import MemoryPlan

log = get_logger(__name__)
# On Hopper cuDNN's attention is about twice as fast as torch's flash attention, on older cards it is not.
CUDNN_CAPABILITY = (9, 0)


@dataclass(frozen=True, slots=True)
class SpeedPlan:
    name: str
    fp8: bool = False
    interval: int = 1  # of so many steps one is computed (worker/extrapolation.py)
    compiled: bool = True
    graphs: bool = True
    modulations: bool = True
    cudnn: bool = True


SPEED_PLANS = {
    "exact": SpeedPlan("exact"),
    "fast": SpeedPlan("fast", fp8=True),
    "draft": SpeedPlan("draft", fp8=True, interval=2),
}


class Speed:
    """What a plan has put into a pipeline."""

    def __init__(self, pipeline: Any, plan: SpeedPlan, memory: MemoryPlan) -> None:
        self._graphs: StepGraphs | None = None
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
        if plan.cudnn and capability >= CUDNN_CAPABILITY:
            transformer.set_attention_backend("_native_cudnn")
        forward: Callable[..., Any] = transformer.forward
        modulations = Modulations(transformer) if plan.modulations else None
        if plan.compiled:
            # Each size and number of images is a shape of its own.
            torch._dynamo.config.recompile_limit = 64  # noqa: SLF001 - where torch keeps it
            transformer.compile_repeated_blocks(fullgraph=True, dynamic=False)
        if plan.graphs:
            forward = self._graphs = StepGraphs(forward)
        if modulations:
            forward = Modulated(forward, modulations, pipeline.scheduler)
        if plan.interval > 1:
            forward = Extrapolation(forward, pipeline.scheduler, plan.interval)
        transformer.forward = forward

    def free(self) -> None:
        """Lets go of what can be made again."""
        if self._graphs:
            self._graphs.clear()


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


def _to_fp8(blocks: Any) -> None:
    """The products over all tokens; the modulations stay as they are, they are computed once for a drawing."""
    for block in blocks:
        for name, child in block.named_children():
            if not name.startswith("norm"):
                holder = torch.nn.ModuleDict({name: child})
                quantize(holder, "fp8")
                setattr(block, name, holder[name])
