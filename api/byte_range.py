"""One range of bytes of a representation that is in memory (RFC 9110, section 14)."""

from __future__ import annotations

import re

_RANGE = re.compile(r"bytes=\s*(?:(\d{1,12})-(\d{1,12})?|-(\d{1,12}))\s*", re.ASCII | re.IGNORECASE)


class Unsatisfiable(ValueError):
    """The range begins behind the end."""


def part(header: str | None, length: int) -> slice | None:
    """What of `length` bytes is asked for; None for the whole.

    A header that is malformed or asks for several ranges is ignored, as the RFC allows.

    :raises Unsatisfiable: nothing of the range exists.
    """
    found = _RANGE.fullmatch(header or "")
    if not found:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        start, stop = max(0, length - int(suffix)), length
    else:
        start, stop = int(first), min(length, int(last) + 1 if last else length)
        if last and int(last) < int(first):
            return None
    if start >= length or start >= stop:
        raise Unsatisfiable
    return slice(start, stop)
