"""Saves a job's images and files: each under a name that no file has yet."""

from __future__ import annotations

import itertools
import sys
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from api.client.server import Job, Server

STEM_CHARACTERS = 40  # at most 160 bytes, of the 255 that a file's name may have


def save(server: Server, job: Job, directory: Path) -> list[Path]:
    """Saves all images and files of the job and returns their paths: the PNGs by size, then the rest.

    :raises OSError: a file cannot be written.
    """
    images = {name: server.image(url) for name, url in _urls(job).items()}
    return save_images(images, _stem(job["prompt"]), directory)


def save_images(images: dict[str, bytes], stem: str, directory: Path) -> list[Path]:
    """Saves images that belong together, by the end of their names. A file that is there already with the same bytes is
    taken for saved; beside one with other bytes all of them get a number.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        numbered = f"{stem}-{number}" if number > 1 else stem
        files = [(directory / f"{numbered}-{name}", image) for name, image in images.items()]
        if any(path.exists() and path.read_bytes() != image for path, image in files):
            continue
        for path, image in files:
            _write(path, image)
        break
    return [path for path, _ in files]


def _urls(job: Job) -> dict[str, str]:
    """The URLs of all images and files: PNGs by size, those of further variations by size and number, files by name."""
    urls = {f"{size}.png": url for size, url in job["urls"]["images"].items()}
    for number, variation in enumerate(job.get("variations", [])[1:], start=2):
        urls |= {f"{size}-variation-{number}.png": url for size, url in variation["urls"].items()}
    return urls | {file["name"]: file["url"] for file in job.get("files", [])}


def _stem(prompt: str) -> str:
    """The letters, marks and digits of the prompt, in any script that the locale can name files in."""
    text = unicodedata.normalize("NFC", prompt.lower())
    encoding = sys.getfilesystemencoding()
    text = text.encode(encoding, "replace").decode(encoding, "replace")
    words = "".join(one if unicodedata.category(one)[0] in "LMN" else " " for one in text).split()
    return "-".join(words)[:STEM_CHARACTERS].strip("-") or "logo"


def _write(path: Path, image: bytes) -> None:
    """:raises FileExistsError: somebody else has just written other bytes there."""
    try:
        with path.open("xb") as file:
            file.write(image)
    except FileExistsError:
        if path.read_bytes() != image:
            raise
    except OSError:
        path.unlink(missing_ok=True)  # a part of an image is none
        raise
