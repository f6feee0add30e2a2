"""Which of several sweepers works: the holder of a lock that runs out."""

from __future__ import annotations

from shared.ledger import keys
from shared.ledger.run import Command


def lead(name: str, seconds: float) -> Command[bool]:
    """Whether the sweeper `name` leads, for so many seconds from now on; 0: it gives the lead up."""
    return Command("lead", (keys.SWEEPER,), (name, round(seconds * 1000)), bool)
