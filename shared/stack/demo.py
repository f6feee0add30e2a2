"""`make demo`: starts the stack on a free port, draws PROMPT in SIZES or ASPECT, with STYLE, COLORS, BACKGROUND, TEXT
and LAYOUT if they are given, saves all forms of the logo and a picture of them, stops everything.
"""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from rich.console import Console

from shared.parenthood import end_with
from shared.settings import refuse
from shared.stack.ports import free_port
from shared.stack.sheet import save_sheet

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType
    from typing import NoReturn, TextIO

START_SECONDS = 300.0
LOG = Path("out/demo.log")


def main() -> None:
    _stop_in_order()
    console = Console()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    # Valkey may still write where it is deleted, if this process is told to end once more.
    folder = tempfile.TemporaryDirectory(prefix="logo-demo-", ignore_cleanup_errors=True)
    with folder as data, _open_log() as log:
        saved = Path(data) / "saved.txt"
        env = os.environ | {"HOST": "127.0.0.1", "PORT": str(port), "DATA_DIR": data, "LOG_FORMAT": "json"}
        env.pop("REDIS_URL", None)
        stack = subprocess.Popen(
            [sys.executable, "-m", "shared.serve"],
            env=env,
            stdout=log,
            stderr=log,
            # A killed demo takes its stack with it.
            preexec_fn=functools.partial(end_with, os.getpid(), signal.SIGTERM),  # noqa: PLW1509 - no thread runs yet
        )
        try:
            with console.status("starting Valkey, API, generate worker, finish worker, sweeper ..."):
                _wait_until_ready(url, stack)
            console.print(f"stack ready on {url}, its log is {LOG}")
            # The prompt is last and behind --, so that it may be `check` or begin with a dash.
            shape = ["--aspect", env["ASPECT"]] if env.get("ASPECT") else ["--sizes", env["SIZES"]]
            options = [*shape, "--format", "png,svg", "--icons", *_design(env)]
            options += ["--saved", str(saved), "--follow", "--url", url]
            command = [sys.executable, "-m", "api.client", *options, "--", env["PROMPT"]]
            code = subprocess.run(command, env=env, check=False).returncode  # noqa: S603
        finally:
            stack.send_signal(signal.SIGTERM)
            stack.wait()
        if code:
            raise SystemExit(code)
        paths = [Path(os.fsdecode(line)) for line in saved.read_bytes().splitlines()]
    sheet = _sheet_beside(paths)
    console.print(
        f"  [bold green]{sheet}[/]  all of them on white, on a dark colour and on a checkerboard", soft_wrap=True
    )
    console.print('next:  make serve, then open http://127.0.0.1:7860 ;  make demo PROMPT="a green leaf in a circle"')


def _design(env: Mapping[str, str]) -> list[str]:
    """Each with its value in one word, which may begin with a dash. A background takes the place of transparency."""
    named = {"STYLE": "style", "COLORS": "colors", "BACKGROUND": "background-color", "TEXT": "text", "LAYOUT": "layout"}
    given = [f"--{option}={env[name]}" for name, option in named.items() if env.get(name)]
    return given if env.get("BACKGROUND") else ["--transparent", *given]


def _stop_in_order() -> None:
    """Lets a signal end this process as an exception does: by stopping the stack. One that is ignored stays ignored."""

    def end(number: int, _: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end)


def _open_log() -> TextIO:
    """:raises SystemExit: it cannot be written, such as one that root made."""
    try:
        LOG.parent.mkdir(exist_ok=True)
        return LOG.open("w")
    except OSError as error:
        refuse(f"{LOG.absolute()} cannot be written: {error.strerror}")


def _sheet_beside(paths: list[Path]) -> Path:
    """Saves the picture beside the files, under a name like theirs; it may replace that of the same files."""
    largest = [path for path in paths if path.suffix == ".png" and "-transparent" not in path.name][-1]
    target = largest.with_name(f"{largest.stem.rpartition('-')[0]}-sheet.png")
    size = largest.stem.rpartition("-")[2]
    shown = [path for path in paths if path.suffix != ".png" or f"-{size}" in path.stem]
    save_sheet(shown, target)
    return target


def _wait_until_ready(url: str, stack: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if stack.poll() is not None:
            Console(stderr=True).print(
                f"the stack did not start:\n{LOG.read_text(encoding='utf-8', errors='replace')[-2000:]}", markup=False
            )
            raise SystemExit(stack.returncode or 1)
        try:
            # Not by the environment's proxy, which does not reach this machine.
            if httpx.get(f"{url}/health/ready", timeout=2, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"no worker was ready within {START_SECONDS:g} s; see {LOG}")


if __name__ == "__main__":
    main()
