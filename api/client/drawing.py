"""The client's drawing command: submits a job or returns to one, shows its progress, saves its images and files."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from api.client.saving import save
from api.client.server import TERMINAL, Job, Refused, Server

if TYPE_CHECKING:
    import argparse

    from rich.console import Console


DEFAULT_SIZES = (256, 512)
_SHAPE = ("aspect", "width", "height")
_OUTPUTS = ("formats", "quality", "transparent", "holes", "icons")
_DESIGN = ("style", "colors", "background_color", "text", "layout")
_OPTIONAL = (*_SHAPE, "image", "strength", "seed", "steps", "num_images", *_OUTPUTS, *_DESIGN)
SHOW_SECONDS = 2  # seconds between two polls of a job that is not followed by its event stream


def run(server: Server, arguments: argparse.Namespace, console: Console) -> bool:
    """Draws one logo; returns whether the job succeeded."""
    job = server.job(arguments.resume) if arguments.resume else _submit(server, arguments, console)
    try:
        console.print(f"job {job['id']}  seed {job['seed']}", soft_wrap=True)
        job = watch(server, job, console, follow=arguments.follow)
    except (KeyboardInterrupt, Refused, httpx.TransportError):
        console.print(f"the job goes on; come back to it with --resume {job['id']}", soft_wrap=True)
        raise
    if job["status"] != "succeeded":
        console.print(f"[red]no logo: {escape(job['error']['message'] if job['error'] else job['status'])}[/]")
        return False
    try:
        paths = save(server, job, arguments.out)
    except (KeyboardInterrupt, Refused, httpx.TransportError, OSError):
        console.print(f"the logo is on the server until {job['expires_at']}: --resume {job['id']}", soft_wrap=True)
        raise
    for path in paths:
        console.print(f"  [bold green]{escape(str(path))}[/]", soft_wrap=True)
    if job.get("colors_share") is not None:
        console.print(f"  {job['colors_share']:.1%} of the plain areas are in the colours that were asked for")
    for warning in job.get("warnings", []):
        console.print(f"  {warning['code']}: {warning['message']}", soft_wrap=True, markup=False, style="yellow")
    if getattr(arguments, "saved", None):
        arguments.saved.write_bytes(b"".join(os.fsencode(path) + b"\n" for path in paths))
    console.print("  " + ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in job["timings"].items()))
    return True


def _submit(server: Server, arguments: argparse.Namespace, console: Console) -> Job:
    key = arguments.key or str(uuid.uuid4())
    try:
        body = _body(arguments)
        path = Path(str(body.get("image")))
        # What is no file is an id, or a mistake that the server names.
        file = (path.name, path.read_bytes()) if "image" in body and path.is_file() else None
        return server.submit(body, key, file)
    except (KeyboardInterrupt, httpx.TransportError):
        console.print(f"the job may exist; ask again with --key {key} to get it and no other", soft_wrap=True)
        raise


def watch(server: Server, job: Job, console: Console, *, follow: bool) -> Job:
    """Shows the job's progress and returns the terminal job. A stream that ends early is replaced by one poll, then
    opened again.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=None)

        def show(job: Job) -> None:
            done = job["progress"]
            progress.update(bar, description=_state(job), completed=done["step"], total=done["steps"])

        show(job)
        while job["status"] not in TERMINAL:
            try:
                for name, data in server.events(job["id"]) if follow else ():
                    if name == "progress":
                        # The event has the fields of `progress`, and the job's queue_position and eta_seconds.
                        job |= {"progress": data} | data
                    elif "status" in data:
                        job |= data
                    show(job)
            except httpx.TransportError:
                pass
            if job["status"] not in TERMINAL:
                show(job := server.job(job["id"], wait=SHOW_SECONDS))
    return server.job(job["id"])


def _state(job: Job) -> str:
    eta = "" if job["eta_seconds"] is None else f", {job['eta_seconds']:.0f} s left"
    position = f", position {job['queue_position']}" if job["status"] == "queued" else ""
    return f"{job['status']}{position}{eta}"


def _body(arguments: argparse.Namespace) -> dict[str, object]:
    body: dict[str, object] = {"prompt": arguments.prompt}
    # An image brings its own shape.
    if arguments.sizes or not any(getattr(arguments, name, None) for name in (*_SHAPE, "image")):
        body["sizes"] = list(arguments.sizes or DEFAULT_SIZES)
    given = {name: getattr(arguments, name, None) for name in _OPTIONAL}
    return body | {name: value for name, value in given.items() if value is not None and value is not False}
