"""Parses the Range header for one range of bytes (RFC 9110, section 14); used by the images route."""

from __future__ import annotations

import re

_RANGE = re.compile(r"bytes=\s*(?:(\d{1,40})-(\d{1,40})?|-(\d{1,40}))\s*", re.ASCII | re.IGNORECASE)


class Unsatisfiable(ValueError):
    """The range contains no byte of the representation."""


def part(header: str | None, length: int) -> slice | None:
    """The slice of `length` bytes that the Range header asks for; None for all of them.

    A header that is malformed or asks for several ranges is ignored, as the RFC allows.

    :raises Unsatisfiable: the range contains none of the bytes.
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
