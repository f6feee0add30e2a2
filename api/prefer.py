"""The one preference of RFC 7240 that a submit knows: `Prefer: wait=N`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_WAIT = re.compile(r'\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:;.*)?', re.IGNORECASE)


def wait_seconds(lines: Iterable[str], most: int) -> int | None:
    """The seconds that the caller would have the answer held, at most `most`; None if it did not say.

    What is malformed or unknown is ignored and the first of several counts: a preference must never fail a request.
    """
    for preference in ",".join(lines).split(","):
        if found := _WAIT.fullmatch(preference):
            return min(int(found[1]), most)
    return None
