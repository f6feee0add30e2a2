"""Bounds the messages of jobs that have ended before their claim; the sweeper uses it.

Each message makes a worker claim the job that is next. One more than there are queued jobs is only skipped, but takes
memory until then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.ledger import keys
from shared.ledger.run import Command

if TYPE_CHECKING:
    from collections.abc import Sequence

PER_JOB = 2
BESIDE = 100
AT_ONCE = 5_000  # about 10 ms of the server on a loaded core


def adopt() -> Command[int]:
    """Puts jobs that an older version has queued into the order of the turns; returns how many were put or removed."""
    return Command("adopt", (keys.QUEUED, *keys.IN_TURN), (keys.job(""),), int)


def trim(lists: Sequence[str]) -> Command[int]:
    """Removes the oldest messages in `lists` above PER_JOB for each queued job and BESIDE; returns how many."""
    return Command("trim", (keys.QUEUED, *lists), (PER_JOB, BESIDE, AT_ONCE), int)
