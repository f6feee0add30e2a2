"""The scripts, styles and pictures of the pages: files of api/static, kept in memory once they were asked for.

Their URLs have a digest of all of them, so that browsers keep them for good and take the new ones after an upgrade. A
name has no slash: what is served is what is listed here, wherever a path tries to lead.
"""

from __future__ import annotations

import asyncio
import functools
import gzip
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import Request, Response

if TYPE_CHECKING:
    from fastapi import FastAPI

STATIC = Path(__file__).parent / "static"
MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
# Of a version that this process does not have, as while it is replaced: the next load asks again.
_KEPT, _ASKED_AGAIN = "public, max-age=31536000, immutable", "no-cache"
_LEVEL = 6


@functools.cache
def files() -> dict[str, Path]:
    """Each file by its name."""
    return {
        path.name: path
        for folder in ("assets", "vendor")
        for path in sorted((STATIC / folder).iterdir())
        if path.suffix in MEDIA_TYPES
    }


@functools.cache
def version() -> str:
    together = hashlib.sha256()
    for name, path in files().items():
        together.update(name.encode() + path.read_bytes())
    return together.hexdigest()[:12]


@functools.cache
def _read(name: str) -> tuple[bytes, bytes]:
    """The file as it is, and compressed."""
    data = files()[name].read_bytes()
    return data, gzip.compress(data, _LEVEL, mtime=0)


async def asset(request: Request) -> Response:
    name, asked = request.path_params["name"], request.path_params["version"]
    if name not in files():
        return Response("not found", 404, media_type="text/plain")
    plain, compressed = await asyncio.to_thread(_read, name)
    headers = {
        "cache-control": _KEPT if asked == version() else _ASKED_AGAIN,
        "vary": "Accept-Encoding",
        "x-content-type-options": "nosniff",
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        plain = compressed
        headers |= {"content-encoding": "gzip"}
    return Response(plain, headers=headers, media_type=MEDIA_TYPES[files()[name].suffix])


def install(app: FastAPI) -> None:
    app.add_route("/static/{version}/{name}", asset, include_in_schema=False)
