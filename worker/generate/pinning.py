"""One GPU per generate worker: an exclusive lock that the kernel releases when the last process holding it dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING

from shared.gpus import Gpu, list_gpus, named
from shared.observability.logging import get_logger
from shared.settings import refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

log = get_logger(__name__)
POLL_SECONDS = 1.0


def take_gpu(lock_dir: Path, wanted: str, inventory: Callable[[], list[Gpu]] = list_gpus) -> Gpu | None:
    """Waits for a free card, holds it until this process and its children are gone, and hides the others from CUDA.
    Returns None if the machine has no card. Must run before CUDA is touched.

    :raises SystemExit: `wanted` names no card of this machine, or there can be no lock in `lock_dir`.
    """
    gpus = inventory()
    if not gpus:
        return None
    candidates = named(gpus, wanted)
    if not candidates:
        raise SystemExit(f"setting GPU={wanted!r}: not among this machine's {[(gpu.index, gpu.uuid) for gpu in gpus]}")
    _make_lock_dir(lock_dir)
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
        descriptor = _open(lock_dir / f"{gpu.uuid.replace('/', '-')}.lock")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            return gpu
    return None


def _make_lock_dir(lock_dir: Path) -> None:
    """Makes the folder for all users of the cards, who may each have locks in it."""
    try:
        if not lock_dir.is_dir():
            lock_dir.mkdir(parents=True)
            lock_dir.chmod(0o1777)
    except FileExistsError:
        pass
    except OSError as error:
        refuse(f"setting GPU_LOCK_DIR: {lock_dir} cannot be used: {error.strerror}")


def _open(path: Path) -> int:
    """A descriptor of the file, which may be another user's: a lock needs no more than the right to read, and Linux
    refuses O_CREAT for a file of somebody else in a folder like /tmp.
    """
    while True:
        with contextlib.suppress(FileNotFoundError):
            return _or_refuse(path, os.O_RDONLY)
        with contextlib.suppress(FileExistsError):
            descriptor = _or_refuse(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            os.fchmod(descriptor, 0o666)  # whatever the umask
            return descriptor


def _or_refuse(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags)
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError as error:
        refuse(f"setting GPU_LOCK_DIR: {path} cannot be opened by user {os.getuid()}: {error.strerror}")
