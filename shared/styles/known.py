"""The styles that a process knows: those of the table, and those of STYLES_FILE."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.styles.table import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shared.styles.table import Style

# How a picture's file begins, and its media type.
_KINDS = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


@dataclass(frozen=True, slots=True)
class Picture:
    data: bytes
    media_type: str
    digest: str


class Styles:
    """:param added: an operator's; one with the name of another replaces it."""

    def __init__(self, added: Iterable[Style] = ()) -> None:
        self._by_name = {style.name: style for style in (*BUILT_IN, *added)}
        pictures = ((style.name, style.picture) for style in self)
        self._pictures = {name: picture_of(path.read_bytes()) for name, path in pictures if path}

    def __iter__(self) -> Iterator[Style]:
        return iter(self._by_name.values())

    @property
    def names(self) -> list[str]:
        return list(self._by_name)

    def find(self, name: str) -> Style | None:
        return self._by_name.get(name)

    def picture(self, name: str) -> Picture | None:
        return self._pictures.get(name)


def picture_of(data: bytes) -> Picture:
    """:raises ValueError: it is no PNG, JPEG or WebP."""
    for start, media_type in _KINDS.items():
        if data.startswith(start) and (start != b"RIFF" or data[8:12] == b"WEBP"):
            return Picture(data, media_type, hashlib.sha256(data).hexdigest()[:16])
    raise ValueError("is no PNG, JPEG or WebP")
