"""One GPU per generate worker: an exclusive lock that the kernel releases when the last process holding it dies."""

from __future__ import annotations

import fcntl
import os
import time
from typing import TYPE_CHECKING

from shared.gpus import Gpu, list_gpus, named
from shared.observability.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

log = get_logger(__name__)
POLL_SECONDS = 1.0


def take_gpu(lock_dir: Path, wanted: str, inventory: Callable[[], list[Gpu]] = list_gpus) -> Gpu | None:
    """Waits for a free card, holds it until this process and its children are gone, and hides the others from CUDA.
    Returns None if the machine has no card. Must run before CUDA is touched.

    :raises SystemExit: `wanted` names no card of this machine.
    """
    gpus = inventory()
    if not gpus:
        return None
    candidates = named(gpus, wanted)
    if not candidates:
        raise SystemExit(f"setting GPU={wanted!r}: not among this machine's {[(gpu.index, gpu.uuid) for gpu in gpus]}")
    lock_dir.mkdir(parents=True, exist_ok=True)
    waiting = False
    while (taken := _take_first(lock_dir, candidates)) is None:
        if not waiting:
            log.info("gpu.waiting", candidates=[gpu.uuid for gpu in candidates])
            waiting = True
        time.sleep(POLL_SECONDS)
    os.environ["CUDA_VISIBLE_DEVICES"] = taken.uuid
    log.info("gpu.taken", index=taken.index, uuid=taken.uuid, name=taken.name)
    return taken


def _take_first(lock_dir: Path, candidates: Iterable[Gpu]) -> Gpu | None:
    for gpu in candidates:
        # Never closed: the lock lives as long as the descriptor, which a forked child shares.
        descriptor = os.open(lock_dir / f"{gpu.uuid.replace('/', '-')}.lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            return gpu
    return None
