"""Holds of workers: what an operator tells one of them, which its next heartbeat learns (shared/workers.py).

A paused worker ends the job in hand and takes no more until it is told to. A draining one then ends its process too,
and whatever supervises it starts it anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import workers
from shared.ledger.replies import Outcome
from shared.ledger.run import Command

if TYPE_CHECKING:
    from shared.workers import Hold


def hold(worker: str, how: Hold) -> Command[Outcome]:
    """`MISSING` if no worker of that name is alive."""
    return Command(
        "hold",
        (workers.hold_key(worker), workers.key(worker)),
        (how, workers.HOLD_KEPT_SECONDS),
        lambda reply: Outcome(reply.decode()),
    )
