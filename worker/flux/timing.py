"""How long the card takes for something, to choose between kernels that compute the same."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

WARM_UPS, AT_ONCE, RUNS = 3, 8, 7


def median_milliseconds(call: Callable[[], object], *, as_graph: bool) -> float:
    """Of one call, the median of RUNS times AT_ONCE calls.

    :param as_graph: for calls that the host takes longer to launch than the card to compute. A capture waits for the
        whole card first.
    """
    for _ in range(WARM_UPS):
        call()
    run: Callable[[], object] = lambda: [call() for _ in range(AT_ONCE)]  # noqa: E731
    if as_graph:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            run()
        run = graph.replay
    times: list[float] = []
    for _ in range(RUNS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        start.record()
        run()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / AT_ONCE)
    return statistics.median(times)
