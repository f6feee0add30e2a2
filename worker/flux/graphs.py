"""A model's forward as one CUDA graph for each shape: the card goes from kernel to kernel without the host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from shared.observability.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

log = get_logger(__name__)
# The first compiles, the others settle what allocates or tunes itself at first use.
WARM_UPS = 3


@dataclass(frozen=True, slots=True)
class _Captured:
    graph: torch.cuda.CUDAGraph
    inputs: dict[int | str, torch.Tensor]
    output: Any


class Graphs:
    """Stands in for a forward. What it returns is overwritten by its next call."""

    def __init__(self, forward: Callable[..., Any]) -> None:
        self._forward = forward
        self._captured: dict[tuple[Any, ...], _Captured] = {}
        # Shared: only one graph runs at a time, so that a second size costs only what it needs beyond the first.
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, *rest: Any, **inputs: Any) -> Any:
        """Other arguments than tensors are taken to be the same each time."""
        named = dict(enumerate(rest)) | inputs
        tensors = {name: value for name, value in named.items() if isinstance(value, torch.Tensor)}
        key = tuple((name, tuple(value.shape), value.dtype) for name, value in tensors.items())
        if key not in self._captured:
            self._captured[key] = self._capture(named, tensors)
        captured = self._captured[key]
        for name, value in tensors.items():
            captured.inputs[name].copy_(value)
        captured.graph.replay()
        return captured.output

    def clear(self) -> None:
        """Gives the graphs' memory back."""
        self._captured.clear()
        self._pool = torch.cuda.graph_pool_handle()

    def _capture(self, named: dict[int | str, Any], tensors: dict[int | str, torch.Tensor]) -> _Captured:
        static = {name: value.clone() for name, value in tensors.items()}
        named = named | static
        rest = [named[name] for name in named if isinstance(name, int)]
        inputs = {name: value for name, value in named.items() if isinstance(name, str)}
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                self._forward(*rest, **inputs)
        torch.cuda.current_stream().wait_stream(stream)
        # What the warm-ups took stays with their stream, of no use to anything else.
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        graph = torch.cuda.CUDAGraph()
        # Other threads (the heartbeat) may ask the device for its memory meanwhile.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            output = self._forward(*rest, **inputs)
        log.info("graph.captured", shapes=[list(value.shape) for value in static.values()])
        return _Captured(graph, static, output)
