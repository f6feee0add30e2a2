"""A forward as CUDA graphs: the card goes from kernel to kernel without waiting for the host.

A step of FLUX is about 550 kernels, some of them shorter than the time that Python and the driver take to launch the
next. A graph is the recorded list of launches, and one call replays all of it.

What a graph captures
    Kernels, their order and their dependences across streams (the waits of side_stream.py become edges of the graph),
    their launch parameters, and the addresses of all tensors. Nothing that Python does is captured: what a forward
    decides or computes on the host keeps its value of the capture. So what changes from step to step (latents, time
    step, the modulations' rows) must reach the kernels through memory that is overwritten in place.

Static inputs
    Because addresses are captured, each combination of shapes has its own input tensors. A call copies its arguments
    into them, replays, and returns the captured output tensors, which the next call overwrites. Numbers and tuples of
    them make a graph of their own, such as the height and width of an image: other oblongs have as many tokens. Other
    arguments that are not tensors are taken to be the same at each call with the same shapes.

Warm-ups
    The forward runs three times before the capture, on a stream of its own, as torch asks for. The first run compiles
    Triton kernels, cuBLAS and cuDNN choose algorithms and allocate workspaces, and the denoiser makes its table of
    rotations, which it keeps. None of this may happen in a capture. The allocator keeps what the warm-ups took for
    their stream, so its cache is emptied before the graph asks for as much again.

Pool
    A graph's activations stay allocated while it exists, in a private memory pool. The graphs of one forward share a
    pool, because only one runs at a time: a further size costs only what it needs beyond the others. Transformer, CLIP
    and T5 have a pool each.

What must not happen in a captured forward
    Reading from the card (`.item()`, `.cpu()`, `if tensor:`), synchronizing, allocating outside the pool, compiling:
    the capture then fails with an error. The mode thread_local forbids this to the capturing thread only. The default
    would forbid it to all, and the heartbeat's thread asks the device for its memory at any time.

How many
    Those of all shapes that are served, and MORE_SHAPES of others, which are captured in mid-job. Of more, the one that
    was used longest ago goes, before the next is captured.

An error in the capture
    Where memory runs out, the caller gets that error, and the thread is on the stream that it came with. Where a side
    stream is not joined yet, `torch.cuda.graph` alone would raise a second error and stay on the capture's stream.

clear
    Drops the graphs, their input and output tensors and the pool, so that `torch.cuda.empty_cache()` can return the
    memory. The engine does so after it ran out of memory; the next call for each shape captures again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from shared.observability.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

log = get_logger(__name__)
# The first compiles; the others are for what is tuned or allocated after first use.
WARM_UPS = 3
MORE_SHAPES = 8


@dataclass(frozen=True, slots=True)
class _Captured:
    graph: torch.cuda.CUDAGraph
    inputs: dict[int | str, torch.Tensor]
    output: Any


class Graphs:
    """Stands in for a forward, with a graph for each combination of shapes and dtypes, captured at its first call."""

    def __init__(self, forward: Callable[..., Any], served: int = 1) -> None:
        """`served`: the number of shapes that are served; MORE_SHAPES more are kept."""
        self._forward = forward
        self._most = served + MORE_SHAPES
        # The one that was used last is the last.
        self._captured: dict[tuple[Any, ...], _Captured] = {}
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, *rest: Any, **inputs: Any) -> Any:
        """:returns: the graph's own output tensors, which the next call overwrites."""
        named = dict(enumerate(rest)) | inputs
        tensors = {name: value for name, value in named.items() if isinstance(value, torch.Tensor)}
        key: tuple[Any, ...] = tuple((name, tuple(value.shape), value.dtype) for name, value in tensors.items())
        key += tuple((name, value) for name, value in named.items() if isinstance(value, int | tuple))
        captured = self._captured.pop(key, None)
        if captured is None:
            if len(self._captured) == self._most:
                del self._captured[next(iter(self._captured))]
            captured = self._capture(named, tensors)
        self._captured[key] = captured
        for name, value in tensors.items():
            captured.inputs[name].copy_(value)
        captured.graph.replay()
        return captured.output

    def clear(self) -> None:
        """Drops all graphs and their memory pool."""
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
        # The allocator keeps what the warm-ups took for their stream, where nothing else can use it.
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        graph = torch.cuda.CUDAGraph()
        failure: BaseException | None = None
        try:
            # The outer context restores the stream where the end of the capture fails.
            with (
                torch.cuda.stream(torch.cuda.current_stream()),
                # The heartbeat's thread may ask the device for its memory meanwhile.
                torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"),
            ):
                try:
                    output = self._forward(*rest, **inputs)
                except BaseException as error:
                    failure = error
                    raise
        except Exception:
            if failure:
                raise failure from None
            raise
        finally:
            # It holds this frame, and with it the tensors.
            failure = None
        log.info("graph.captured", shapes=[list(value.shape) for value in static.values()], grid=named.get("grid"))
        return _Captured(graph, static, output)
