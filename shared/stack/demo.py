"""`make demo`: starts the stack on a free port, draws PROMPT in SIZES, saves all forms of the logo and a picture of
them, stops everything.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from rich.console import Console

from shared.stack.serve import free_port
from shared.stack.sheet import save_sheet

START_SECONDS = 300.0
LOG = Path("out/demo.log")


def main() -> None:
    console = Console()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    LOG.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="logo-demo-") as data, LOG.open("w") as log:
        saved = Path(data) / "saved.txt"
        env = os.environ | {"HOST": "127.0.0.1", "PORT": str(port), "DATA_DIR": data, "LOG_FORMAT": "json"}
        env.pop("REDIS_URL", None)
        stack = subprocess.Popen([sys.executable, "-m", "shared.serve"], env=env, stdout=log, stderr=log)
        try:
            with console.status("starting Valkey, API, generate worker, finish worker, sweeper ..."):
                _wait_until_ready(url, stack)
            console.print(f"stack ready on {url}, its log is {LOG}")
            command = [
                sys.executable,
                "-m",
                "api.client",
                env["PROMPT"],
                "--sizes",
                env["SIZES"],
                *("--format", "png,svg", "--transparent", "--icons"),
                *("--saved", str(saved)),
                "--follow",
                "--url",
                url,
            ]
            code = subprocess.run(command, env=env, check=False).returncode  # noqa: S603
        finally:
            stack.send_signal(signal.SIGTERM)
            stack.wait()
        if code:
            raise SystemExit(code)
        paths = [Path(line) for line in saved.read_text().splitlines()]
    sheet = _sheet_beside(paths)
    console.print(
        f"  [bold green]{sheet}[/]  all of them on white, on a dark colour and on a checkerboard", soft_wrap=True
    )
    console.print('next:  make serve, then open http://127.0.0.1:7860 ;  make demo PROMPT="a green leaf in a circle"')


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
            Console(stderr=True).print(f"the stack did not start:\n{LOG.read_text()[-2000:]}", markup=False)
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
