"""Parses the Prefer header (RFC 7240) of a submit, of which the service supports `wait=N`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_WAIT = re.compile(r'\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:;.*)?', re.IGNORECASE)


def wait_seconds(lines: Iterable[str], maximum: int) -> int | None:
    """The seconds for which the caller asks to hold the answer, at most `maximum`; None without that preference.

    Malformed and unknown preferences are ignored, because a preference must never fail a request. The first `wait`
    counts.
    """
    for preference in ",".join(lines).split(","):
        if found := _WAIT.fullmatch(preference):
            return min(int(found[1]), maximum)
    return None
