"""Forgets a job at its owner's wish: nothing of its request is left, and its id is unknown from then on.

The prompt stays in the append-only file of Redis, readable by nobody but its user, until the sweeper has that rewritten
(worker/rewriting.py).
"""

from __future__ import annotations

from shared.ledger import keys
from shared.ledger.run import Command


def forget(job_id: str) -> Command[bool]:
    """Removes the record of a job that has ended; its images must be gone before, because it alone names them.

    One that has not ended is canceled by `moves.request_cancel` with `forget`, and its record goes as it ends.
    """
    found = (keys.job(job_id), keys.FORGET, keys.OWNED, keys.IMAGES, keys.WEBHOOKS, keys.FORGOTTEN)
    return Command("forget", found, (job_id,), bool)
