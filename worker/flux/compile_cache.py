"""Where compiled kernels are kept between starts: a folder for each card and set of versions. Imports no torch."""

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
    """Must run before torch is imported. Without a card nothing is compiled. The variables, where set, go first."""
    if gpu is None:
        return
    folder = base / folder_name(gpu.name)
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder / "inductor"))
    os.environ.setdefault("TRITON_CACHE_DIR", str(folder / "triton"))


def folder_name(card: str) -> str:
    """What compiled code depends on: the card, and the versions of torch, diffusers and Python."""
    parts = (card, f"torch{version('torch')}", f"diffusers{version('diffusers')}", f"py{platform.python_version()}")
    return re.sub(r"[^A-Za-z0-9.+]+", "-", "_".join(parts)).strip("-")
