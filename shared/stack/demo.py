"""`make demo`: starts the whole stack on a free port, draws PROMPT in SIZES, stops everything."""

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

START_SECONDS = 300.0
LOG = Path("out/demo.log")


def main() -> None:
    console = Console()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    LOG.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="logo-demo-") as data, LOG.open("w") as log:
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
    console.print('next:  make serve, then open http://127.0.0.1:7860 ;  make demo PROMPT="a green leaf in a circle"')


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
