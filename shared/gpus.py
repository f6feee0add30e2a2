"""Reads the machine's NVIDIA cards through NVML, which creates no CUDA context: a worker's parent may use it."""

from __future__ import annotations

import functools
import itertools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pynvml

from shared.observability.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Gpu:
    index: int
    uuid: str
    name: str
    memory_total_bytes: int


def list_gpus() -> list[Gpu]:
    """All cards that answer and that the operator left to this process, by index, each MIG instance as a card; empty
    without a driver.

    :raises SystemExit: there are cards, and none answers or a variable names none of them; the CPU model must not
        replace them unnoticed.
    """
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        count = pynvml.nvmlDeviceGetCount()
        gpus = [gpu for index in range(count) for gpu in _describe(index)]
    finally:
        pynvml.nvmlShutdown()
    if count and not gpus:
        raise SystemExit(f"none of this machine's {count} cards answers; see nvidia-smi")
    return _given(gpus)


def named(gpus: Iterable[Gpu], wanted: str) -> list[Gpu]:
    """The cards of a list: indices as in nvidia-smi, UUIDs or beginnings of UUIDs, separated by commas; `auto`: all."""
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    if names == ["auto"]:
        return list(gpus)
    return [gpu for gpu in gpus if any(_is_named(gpu, name) for name in names)]


def _is_named(gpu: Gpu, name: str) -> bool:
    return name == str(gpu.index) or (name.startswith(("GPU-", "MIG-")) and gpu.uuid.startswith(name))


def _given(gpus: list[Gpu]) -> list[Gpu]:
    """The cards that the operator's variables leave, as CUDA and NVIDIA's container runtime read them."""
    # The runtime numbers a container's cards anew and leaves the variable: only its UUIDs still say something.
    runtime = os.environ.get("NVIDIA_VISIBLE_DEVICES", "all")
    if runtime.startswith(("GPU-", "MIG-", "none", "void")):
        gpus = _left("NVIDIA_VISIBLE_DEVICES", runtime, gpus)
    cuda = os.environ.get("CUDA_VISIBLE_DEVICES")
    return gpus if cuda is None else _left("CUDA_VISIBLE_DEVICES", cuda, gpus)


def _left(variable: str, value: str, gpus: list[Gpu]) -> list[Gpu]:
    # CUDA takes the names up to the first that is none, such as -1.
    names = list(itertools.takewhile(lambda name: named(gpus, name), value.split(",")))
    if gpus and not names and value.strip() not in ("", "-1", "none", "void", "NoDevFiles"):
        raise SystemExit(f"{variable}={value!r} names none of the cards {[(gpu.index, gpu.uuid) for gpu in gpus]}")
    return named(gpus, ",".join(names))


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


def _describe(index: int) -> list[Gpu]:
    """The card, or its MIG instances. Nothing for a card that fell off the bus ("GPU is lost"), so that the other cards
    can go on.
    """
    try:
        card = pynvml.nvmlDeviceGetHandleByIndex(index)
        return [
            Gpu(
                index=index,
                uuid=str(pynvml.nvmlDeviceGetUUID(handle)),
                name=str(pynvml.nvmlDeviceGetName(handle)),
                memory_total_bytes=int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
            )
            for handle in _instances(card)
        ]
    except pynvml.NVMLError as error:
        log.error("gpu.skipped", index=index, error=str(error))  # noqa: TRY400 - a traceback would add nothing to the driver's message
        return []


def _instances(card: Any) -> list[Any]:
    """The handles of a card's MIG instances, which CUDA can use only one by one; of the card itself without MIG."""
    try:
        if pynvml.nvmlDeviceGetMigMode(card)[0] != pynvml.NVML_DEVICE_MIG_ENABLE:
            return [card]
    except pynvml.NVMLError:  # not a card for MIG
        return [card]
    instances = []
    for number in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(card)):
        try:
            instances.append(pynvml.nvmlDeviceGetMigDeviceHandleByIndex(card, number))
        except pynvml.NVMLError_NotFound:  # instances need not be numbered without gaps
            continue
    return instances
