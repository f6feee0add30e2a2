"""Where compiled kernels are kept between starts: a folder for each kind of card and set of versions. Imports no torch,
which reads the variables that are set here when it is imported.
"""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from shared.gpus import Gpu


def use(base: Path, gpu: Gpu | None) -> None:
    """Points inductor and Triton at the folder. Must run before torch is imported. Variables that are set already keep
    their values. Does nothing without a card, where nothing is compiled.
    """
    if gpu is None:
        return
    folder = base / folder_name(gpu.name)
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder / "inductor"))
    os.environ.setdefault("TRITON_CACHE_DIR", str(folder / "triton"))


def folder_name(card: str) -> str:
    """Compiled code depends on the card and on the versions of torch, diffusers and Python."""
    parts = (card, f"torch{version('torch')}", f"diffusers{version('diffusers')}", f"py{platform.python_version()}")
    return re.sub(r"[^A-Za-z0-9.+]+", "-", "_".join(parts)).strip("-")
