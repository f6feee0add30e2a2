"""The peers' own environments, made on first use below out/peers from the locks in this folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MADE = HERE.parents[2] / "out" / "peers"
UV = Path(sys.executable).with_name("uv")


def python(group: str) -> Path:
    """The interpreter of a peer, once its environment is made. Without a lock the newest versions are locked first."""
    folder, lock = MADE / group, HERE / "locks" / f"{group}.txt"
    mark = folder / ".made"
    if not lock.exists():
        options = ("--quiet", "--no-annotate", "--no-header", "--python-version", "3.11")
        subprocess.run([UV, "pip", "compile", *options, lock.with_suffix(".in"), "-o", lock], check=True)
    if not mark.exists() or mark.read_text() != lock.read_text():
        print(f"making {folder} ...", flush=True)
        subprocess.run([UV, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
        interpreter = folder / "bin" / "python"
        subprocess.run([UV, "pip", "sync", "--quiet", "--python", interpreter, lock], check=True)
        mark.write_text(lock.read_text())
    return folder / "bin" / "python"
