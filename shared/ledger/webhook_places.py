"""The places of webhooks that are on the way, so that neither one host nor one owner takes all senders.

A host that does not answer again and again keeps one place, and what finds none waits for longer. The tries of an owner
that a host refuses or does not answer are bounded by the minute: it may be a third party's.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.ledger.run import Command
from shared.ledger.webhooks import HOLD_SECONDS

MAX_FAILURES = 3  # unanswered tries in a row, from which on an owner's webhooks share one place at the host
FORGET_SECONDS = 600.0
# The pause of a webhook that found no place; it is no try. The longer one: its host does not answer.
BUSY_SECONDS = 2.0
FAILING_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Places:
    """The places for the webhooks of one owner to one host."""

    host: str
    owner: str

    def take(self, job_id: str, *, max_host: int, max_owner: int, max_failures: int = 0) -> Command[float]:
        """Takes a place, for at most as long as a webhook is held; returns 0, or after how many seconds to ask again.

        :param max_owner: 0 for no bound.
        :param max_failures: of the owner's tries to the host in a minute; 0 for no bound.
        """
        return Command(
            "place",
            self._keys(),
            (job_id, max_host, max_owner, MAX_FAILURES, round(HOLD_SECONDS * 1000), max_failures),
            _pause,
        )

    def leave(self, job_id: str, *, answered: bool | None, failed: bool = False) -> Command[None]:
        """Gives the place up.

        :param answered: by the host, with whatever status; None if it was not asked.
        :param failed: the host was asked, and the webhook not delivered.
        """
        told = "" if answered is None else int(answered)
        arguments = (job_id, told, round(FORGET_SECONDS * 1000), int(failed))
        return Command("leave", self._keys(), arguments, lambda _: None)

    def _keys(self) -> tuple[str, ...]:
        return (
            f"logo:webhook-host:{self.host}",
            f"logo:webhook-owner:{self.owner}",
            f"logo:webhook-failures:{self.host}:{self.owner}",
            f"logo:webhook-failed:{self.host}:{self.owner}",
        )


def _pause(reply: int) -> float:
    if reply < 0:
        return -reply / 1000
    return 0 if reply == 0 else FAILING_SECONDS if reply > MAX_FAILURES else BUSY_SECONDS
