"""The folders of `make serve`: what cannot be used is refused in one line before anything starts."""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from typing import TYPE_CHECKING

from shared.settings import refuse

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ROOM_BYTES = 2**20  # for the configuration, the logs of supervisord and a first file of Valkey


def make_folder(folder: Path) -> None:
    """:raises SystemExit: it cannot be made, has no room, or this user cannot write all that is in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(ROOM_BYTES))
        # A Valkey that uses the folder meanwhile deletes files of its own.
        foreign = [path for path in folder.rglob("*") if not os.access(path, os.R_OK | os.W_OK) and path.exists()]
    except OSError as error:
        refuse(f"setting DATA_DIR: {folder} cannot be written to: {error.strerror}")
    if foreign:
        mended_by = f"chown -R {os.getuid()} {shlex.quote(str(folder))}"
        refuse(f"setting DATA_DIR: {foreign[0]} is another user's; {mended_by}, or name another folder")


def refuse_unquotable(paths: Iterable[Path]) -> None:
    """:raises SystemExit: one cannot be written into a line of the programs' configuration."""
    for path in map(str, paths):
        if re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", path):
            refuse(f"setting DATA_DIR or Python's own path: {path!r} has a control character or is not UTF-8")
