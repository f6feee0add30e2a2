"""Where a denoising step's time goes, by torch.profiler: kinds of kernels, and the gaps between them."""

from __future__ import annotations

import re
from collections import Counter

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

# The first that matches a kernel's name, in this order.
KINDS = {
    "copies": r"memcpy|memset",
    "attention": r"flash|fmha|attention|sdpa|mha",
    "convolutions": r"conv|wgrad|dgrad|implicit",
    "matrix products": r"gemm|nvjet|cutlass|cublas|xmma|splitk|int_mm|scaled_mm",
    "fused element-wise": r"triton|add_norm|norm_rotate|quantize|unpack_nf4|scale_product",
}
FEW, MORE = 2, 6


def kind_of(kernel: str) -> str:
    return next((kind for kind, pattern in KINDS.items() if re.search(pattern, kernel, re.IGNORECASE)), "other")


def milliseconds_of_a_step(draw) -> dict[str, float]:
    """`draw(steps)` draws an image. Longer drawings less shorter ones: what is not in a step drops out."""
    few, more = _measure(draw, FEW), _measure(draw, MORE)
    return {kind: round((more[kind] - few[kind]) / (MORE - FEW) / 1000, 3) for kind in sorted(set(few) | set(more))}


def _measure(draw, steps: int) -> Counter[str]:
    """Microseconds by kind of kernel, and of gaps."""
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        draw(steps)
        torch.cuda.synchronize()
    found: Counter[str] = Counter()
    spans = []
    for event in profiler.events():
        if event.device_type == DeviceType.CUDA:
            found[kind_of(event.name)] += event.time_range.elapsed_us()
            spans.append((event.time_range.start, event.time_range.end))
    busy, until = 0.0, 0.0
    for start, end in sorted(spans):
        busy += max(0.0, end - max(start, until))
        until = max(until, end)
    found["gaps"] += (max(end for _, end in spans) - min(start for start, _ in spans)) - busy
    return found


def heaviest(draw, count: int = 25) -> list[tuple[str, float, int]]:
    """Kernels of a drawing of a few steps: name, milliseconds, calls."""
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        draw(FEW)
        torch.cuda.synchronize()
    times: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for event in profiler.events():
        if event.device_type == DeviceType.CUDA:
            times[event.name] += event.time_range.elapsed_us()
            calls[event.name] += 1
    return [(name[:120], round(time / 1000, 3), calls[name]) for name, time in times.most_common(count)]
