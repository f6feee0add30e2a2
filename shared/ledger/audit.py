"""The audit log: what operators did to workers and jobs. A bounded stream; the log has a line of each action too.

An action is noted before it is done, and its outcome after: what has no outcome was asked for by a process that ended
there, or found Redis away, and may or may not have been done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shared.ledger import keys
from shared.ledger.run import Command

MAX_NOTES = 10_000  # of 5,000 actions; less than 1 MB
SHOWN = 50
ASKED = "asked"


@dataclass(frozen=True, slots=True)
class Note:
    at: int  # milliseconds, by the Redis server's clock
    operator: str  # the beginning of the key's SHA-256
    action: str  # pause | drain | resume | cancel | requeue
    target: str  # a worker's name or a job's id
    outcome: str  # asked, then what came of it


def note(operator: str, action: str, target: str, outcome: str = ASKED) -> Command[None]:
    fields = ("operator", operator, "action", action, "target", target, "outcome", outcome)
    return Command("audit", (keys.AUDIT,), (MAX_NOTES, *fields), lambda _: None)


def recent(limit: int = SHOWN) -> Command[list[Note]]:
    """The last notes, the last first."""
    return Command("audited", (keys.AUDIT,), (limit,), lambda reply: [_note(*entry) for entry in reply])


def _note(entry_id: bytes, flat: list[bytes]) -> Note:
    texts: list[Any] = [item.decode() for item in flat]
    return Note(int(entry_id.partition(b"-")[0]), **dict(zip(texts[::2], texts[1::2], strict=True)))
