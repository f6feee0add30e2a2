"""Reads the machine's NVIDIA cards through NVML, which creates no CUDA context: a worker's parent may use it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import pynvml

from shared.observability.logging import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Gpu:
    index: int
    uuid: str
    name: str
    memory_total_bytes: int


def list_gpus() -> list[Gpu]:
    """All cards that answer, by index; empty without a driver.

    :raises SystemExit: there are cards and none answers; the CPU model must not replace them unnoticed.
    """
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        described = [_describe(index) for index in range(pynvml.nvmlDeviceGetCount())]
    finally:
        pynvml.nvmlShutdown()
    gpus = [gpu for gpu in described if gpu]
    if described and not gpus:
        raise SystemExit(f"none of this machine's {len(described)} cards answers; see nvidia-smi")
    return gpus


def free_bytes(uuid: str) -> int:
    """Free memory of a card, after what all its processes use."""
    return int(pynvml.nvmlDeviceGetMemoryInfo(_handle(uuid)).free)


@dataclass(frozen=True, slots=True)
class Usage:
    memory_used_bytes: int
    utilization: float  # 0 to 1


def usage(uuid: str) -> Usage:
    """Memory and utilization of the whole card by all its processes; zeros if the driver does not report them."""
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
    pynvml.nvmlInit()  # kept initialized for the life of the process: each nvmlInit takes many milliseconds
    return pynvml.nvmlDeviceGetHandleByUUID(uuid)


def _describe(index: int) -> Gpu | None:
    """None for a card that fell off the bus ("GPU is lost"), so that the other cards can go on."""
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        return Gpu(
            index=index,
            uuid=str(pynvml.nvmlDeviceGetUUID(handle)),
            name=str(pynvml.nvmlDeviceGetName(handle)),
            memory_total_bytes=int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
        )
    except pynvml.NVMLError as error:
        log.error("gpu.skipped", index=index, error=str(error))  # noqa: TRY400 - a traceback would add nothing to the driver's message
        return None
