"""Lists one owner's jobs by pages, newest first, from an index beside the records (lua/create.lua, lua/list.lua)."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.ledger import keys
from shared.ledger.replies import reading_of
from shared.ledger.run import Command

if TYPE_CHECKING:
    from shared.jobs import JobStatus
    from shared.ledger.replies import Reading

# The most jobs that one call looks at. With a rare status a page may thus be short, and the cursor continues behind it.
LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class Page:
    readings: list[Reading]
    next_cursor: str | None


def page(owner: str, *, status: JobStatus | None = None, limit: int = 20, cursor: str = "") -> Command[Page]:
    """A page of the owner's jobs. No job is skipped or repeated, and later pages have no jobs created meanwhile.

    :raises ValueError: `cursor` is not a `next_cursor`.
    """
    return Command(
        "list",
        (f"{keys.OWNED}:{owner}", keys.QUEUED, *keys.IN_TURN),
        (keys.job(""), _score(cursor) if cursor else "", limit, status or "", LOOKED_AT),
        _page,
    )


def _page(reply: list[Any]) -> Page:
    readings = [reading for row in reply[1:] if (reading := reading_of(row))]
    return Page(readings, _cursor(reply[0]) if reply[0] else None)


def _cursor(score: bytes) -> str:
    return base64.urlsafe_b64encode(score).decode().rstrip("=")


def _score(cursor: str) -> str:
    score = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    if not re.fullmatch(r"\d{1,15}", score, re.ASCII):
        raise ValueError(cursor)
    return score
