"""Leader election of the sweepers: only the holder of a lock that expires sweeps."""

from __future__ import annotations

from shared.ledger import keys
from shared.ledger.run import Command


def lead(name: str, seconds: float) -> Command[bool]:
    """Takes or renews the lead of the sweeper `name` for `seconds`, or gives it up with 0; whether it leads now."""
    return Command("lead", (keys.SWEEPER,), (name, round(seconds * 1000)), bool)
