"""Checks a deployed server: its health, one logo, two sizes of one drawing, and several logos at once; with timings."""

from __future__ import annotations

import base64
import binascii
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx

from api.client.saving import save, save_images
from api.client.server import Job, Refused, Server

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import Console

PROMPT = "a red fox head, geometric"
PNG, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"


class Failed(Exception):
    pass


def run(server: Server, arguments: argparse.Namespace, console: Console) -> bool:
    """Runs all checks and returns whether all passed; stops early only if the server does not answer."""
    out, concurrent = arguments.out, arguments.concurrent
    checks: dict[str, Callable[[], str]] = {
        "health": lambda: _health(server),
        "one logo, as the app asks for it": lambda: _app(server, out),
        "two sizes of one drawing": lambda: _draw(server, out, [256, 512]),
        f"{concurrent} at the same time": lambda: _at_once(server, out, concurrent),
    }
    failures = 0
    for name, check in checks.items():
        start = time.perf_counter()
        try:
            finding, mark = check(), "[green]ok  [/]"
        except (Failed, Refused, httpx.TransportError) as error:
            finding, mark = str(error), "[red]FAIL[/]"
            failures += 1
            if name == "health" and isinstance(error, httpx.TransportError):
                raise
        console.print(f"{mark} {time.perf_counter() - start:7.2f} s  {name}: {finding}", soft_wrap=True)
    console.print(f"{len(checks) - failures} of {len(checks)} checks passed, images in {out}", soft_wrap=True)
    return not failures


def _health(server: Server) -> str:
    health = server.json("GET", "/health")
    if not health["model_loaded"]:
        raise Failed("no worker has its model loaded")
    ready = sum(worker["ready"] for worker in health["workers"])
    return f"{health['model']} on {ready} worker(s), {health['queue']['depth']} queued"


def _app(server: Server, out: Path) -> str:
    answer = server.json("POST", "/api/generate_logo", json={"prompt": PROMPT, "sizes": [256]}, timeout=320)
    if set(answer["images"]) != {"256"}:
        raise Failed(f"images of the sizes {sorted(answer['images'])} came, 256 was asked for")
    try:
        image = base64.b64decode(answer["images"]["256"], validate=True)
    except binascii.Error:
        raise Failed("the image is not base64") from None
    _check_png(image, 256)
    save_images({"256.png": image}, "app", out)
    return f"256 pixels, {len(image)} bytes"


def _draw(server: Server, out: Path, sizes: list[int], seed: int = 1) -> str:
    body = {"prompt": f"{PROMPT} {seed}", "sizes": sizes, "seed": seed}
    job = server.ended(server.submit(body, str(uuid.uuid4()))["id"])
    if job["status"] != "succeeded":
        raise Failed(f"the job {job['status']}: {job['error']}")
    for path, size in zip(save(server, job, out), sizes, strict=True):
        _check_png(path.read_bytes(), size)
    return _timings(job)


def _check_png(image: bytes, size: int) -> None:
    """:raises Failed: `image` is not a complete PNG of `size` x `size` pixels."""
    if not (image.startswith(PNG) and image.endswith(PNG_END)):
        raise Failed(f"the image of {size} pixels is no whole PNG")
    width, height = (int.from_bytes(image[start : start + 4]) for start in (16, 20))
    if (width, height) != (size, size):
        raise Failed(f"the image of {size} pixels has {width}x{height}")


def _at_once(server: Server, out: Path, concurrent: int) -> str:
    with ThreadPoolExecutor(concurrent) as pool:
        findings = list(pool.map(lambda seed: _draw(server, out, [256], seed), range(2, concurrent + 2)))
    return "; ".join(findings)


def _timings(job: Job) -> str:
    return ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in job["timings"].items())
