"""The machine's NVIDIA cards, read through NVML, which creates no CUDA context: a worker's parent may ask."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import pynvml


@dataclass(frozen=True, slots=True)
class Gpu:
    index: int
    uuid: str
    name: str
    memory_total_bytes: int


def list_gpus() -> list[Gpu]:
    """All cards, by index; empty where there is no driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        return [_describe(index) for index in range(pynvml.nvmlDeviceGetCount())]
    finally:
        pynvml.nvmlShutdown()


def free_bytes(uuid: str) -> int:
    """Of a card's memory, whoever uses the rest."""
    return int(pynvml.nvmlDeviceGetMemoryInfo(_handle(uuid)).free)


@dataclass(frozen=True, slots=True)
class Usage:
    memory_used_bytes: int
    utilization: float  # 0 to 1


def usage(uuid: str) -> Usage:
    """Of the whole card, by all its processes; zeros where the driver does not tell."""
    try:
        handle = _handle(uuid)
        return Usage(
            memory_used_bytes=int(pynvml.nvmlDeviceGetMemoryInfo(handle).used),
            utilization=pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100,
        )
    except pynvml.NVMLError:
        return Usage(0, 0.0)


@functools.cache
def _handle(uuid: str) -> Any:
    pynvml.nvmlInit()  # for the life of the process: each costs many milliseconds
    return pynvml.nvmlDeviceGetHandleByUUID(uuid)


def _describe(index: int) -> Gpu:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    return Gpu(
        index=index,
        uuid=str(pynvml.nvmlDeviceGetUUID(handle)),
        name=str(pynvml.nvmlDeviceGetName(handle)),
        memory_total_bytes=int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
    )
