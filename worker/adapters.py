"""Reads LORA_PATHS: the names of adapter files, each with a scale."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path


def named(paths: str) -> list[tuple[Path, float]]:
    """(file, scale) of `file[:scale]`, separated by commas; ~ is the home folder.

    :raises ValueError: a scale is not finite.
    """
    return [_split(item) for part in paths.split(",") if (item := part.strip())]


def existing(paths: str) -> str:
    """`paths`, all of whose files exist.

    :raises ValueError: one does not.
    """
    for path, _ in named(paths):
        if not path.is_file():
            raise ValueError(f"{path} is missing")
    return paths


def _split(item: str) -> tuple[Path, float]:
    name, _, text = item.rpartition(":")
    try:
        scale = float(text)
    except ValueError:
        return _at_home(item), 1.0
    if not math.isfinite(scale):
        raise ValueError(f"{name}: the scale must be a number, not {text}")
    return (_at_home(name), scale) if name else (_at_home(item), 1.0)


def _at_home(name: str) -> Path:
    with contextlib.suppress(RuntimeError):  # without a home folder the name is as it is
        return Path(name).expanduser()
    return Path(name)
