"""`python -m api.client "a green leaf" --sizes 256,512`: submits a job, follows it, saves its PNGs."""

from __future__ import annotations

import argparse
import base64
import re
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

POLL_SECONDS = 0.25
TERMINAL = ("succeeded", "failed", "canceled", "expired")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m api.client", description="Draw a logo.")
    parser.add_argument("prompt")
    parser.add_argument("--sizes", default="256,512", help="comma-separated edge lengths in pixels")
    parser.add_argument("--out", type=Path, default=Path("out"))
    parser.add_argument("--url", default="http://127.0.0.1:7860")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--api-key")
    arguments = parser.parse_args()
    console = Console()
    headers = {"X-API-Key": arguments.api_key} if arguments.api_key else {}
    body = {"prompt": arguments.prompt, "sizes": [int(size) for size in arguments.sizes.split(",")]}
    if arguments.seed is not None:
        body["seed"] = arguments.seed
    with httpx.Client(base_url=arguments.url, headers=headers, timeout=70) as client:
        job = _checked(client.post("/api/jobs", json=body, headers={"Idempotency-Key": str(uuid.uuid4())}))
        console.print(f"job {job['id']}  seed {job['seed']}")
        job = follow(client, job["id"], console)
        if job["status"] != "succeeded":
            reason = job["error"]["message"] if job["error"] else job["status"]
            raise SystemExit(f"no logo: {reason}")
        job = _checked(client.get(f"/api/jobs/{job['id']}"))
    for path in save(job, arguments.out):
        console.print(f"  [bold green]{path}[/]")
    timings = {stage: f"{seconds:.2f} s" for stage, seconds in job["timings"].items()}
    console.print("  " + ", ".join(f"{stage} {seconds}" for stage, seconds in timings.items()))


def follow(client: httpx.Client, job_id: str, console: Console) -> dict[str, Any]:
    """Polls until the job is terminal, with its state and a bar over the denoising steps."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("queued", total=None)
        while True:
            job = _checked(client.get(f"/api/jobs/{job_id}", params={"include": "none"}))
            state = job["status"] if job["status"] != "queued" else f"queued, position {job['queue_position']}"
            progress.update(bar, description=state, completed=job["progress"]["step"], total=job["progress"]["steps"])
            if job["status"] in TERMINAL:
                return job
            time.sleep(POLL_SECONDS)


def save(job: dict[str, Any], directory: Path) -> list[Path]:
    directory.mkdir(parents=True, exist_ok=True)
    stem = re.sub(r"[^a-z0-9]+", "-", job["prompt"].lower()).strip("-")[:40] or "logo"
    paths = []
    for size, image in job["images"].items():
        path = directory / f"{stem}-{size}.png"
        path.write_bytes(base64.b64decode(image))
        paths.append(path)
    return paths


def _checked(response: httpx.Response) -> dict[str, Any]:
    if response.is_error:
        raise SystemExit(f"{response.status_code} {response.json()['error']['message']}")
    job: dict[str, Any] = response.json()
    return job


if __name__ == "__main__":
    main()
