"""Where compiled kernels are kept between starts: a folder for each kind of card and set of versions. Imports no torch,
which reads the variables that are set here when it is imported.
"""

from __future__ import annotations

import os
import platform
import re
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from shared.observability.logging import get_logger

if TYPE_CHECKING:
    from shared.gpus import Gpu

log = get_logger(__name__)


def use(base: Path, gpu: Gpu | None) -> None:
    """Points inductor and Triton at the folder. Must run before torch is imported. Variables that are set already keep
    their values. Does nothing without a card, where nothing is compiled.
    """
    if gpu is None or {"TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"} <= os.environ.keys():
        return
    folder = _writable(base) / folder_name(gpu.name)
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder / "inductor"))
    os.environ.setdefault("TRITON_CACHE_DIR", str(folder / "triton"))


def _writable(base: Path) -> Path:
    """`base`, or a folder beside the temporary files where this user may not write it, such as a volume of root's.
    Kernels are then compiled at each start.
    """
    try:
        base.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=base):
            return base
    except OSError as error:
        other = Path(tempfile.gettempdir()) / f"logo-generator-{os.getuid()}"
        log.warning(
            "compile_cache.refused",
            error=repr(error),
            instead=str(other),
            hint=f"chown {os.getuid()} {base}, so that kernels are kept between starts",
        )
        return other


def folder_name(card: str) -> str:
    """Compiled code depends on the card and on the versions of torch, diffusers and Python."""
    parts = (card, f"torch{version('torch')}", f"diffusers{version('diffusers')}", f"py{platform.python_version()}")
    return re.sub(r"[^A-Za-z0-9.+]+", "-", "_".join(parts)).strip("-")
