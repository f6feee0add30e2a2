"""Held calls, which keep their connection open until their job has ended: whether each still has its caller, so that a
repeat of a call that was cut joins its job, and a job that nobody asks for again is canceled.

A call is alive as long as its API process renews it. The calls of a process that died count as cut LEASE_SECONDS later.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from shared.ledger import keys, reads
from shared.ledger.run import Command

if TYPE_CHECKING:
    from collections.abc import Iterable

LEASE_SECONDS = 10.0
LEASE_MS = round(LEASE_SECONDS * 1000)
# How soon the repeat of an answer comes that did not arrive, though all of it was sent.
ECHO_SECONDS = 5.0
# A call is held for an hour at most (REQUEST_TIMEOUT). What is known of equal calls is kept for longer.
LONGEST_MS = 3_600_000


class End(StrEnum):
    """How a call ended."""

    DELIVERED = "delivered"  # the caller has its answer: an equal call asks for another drawing
    ECHOED = "echoed"  # it should have: for ECHO_SECONDS an equal call is taken for its repeat
    TOLD = "told"  # the caller knows by an error that the job may go on: an equal call joins it, nobody cancels it
    CUT = "cut"  # the caller is gone: an equal call joins the job; without one in time it is canceled


@dataclass(frozen=True, slots=True)
class Call:
    """`id` is also the id of the job that the call creates, unless it joins another call's."""

    id: str
    twins: str  # the key of the jobs of equal calls of the same caller
    rejoin_ms: int  # how long after its end an equal call joins its job


def call(call_id: str, caller: str, request: str, rejoin_seconds: float) -> Call:
    """:param request: what makes two calls equal."""
    return Call(call_id, keys.twins(caller, hashlib.sha256(request.encode()).hexdigest()), round(rejoin_seconds * 1000))


def let_go(call: Call, job_id: str, how: End) -> Command[bool]:
    """Ends a call on its job; False if another call has joined the job meanwhile, or it does not exist."""
    joined_ms = round(ECHO_SECONDS * 1000) if how is End.ECHOED else call.rejoin_ms
    return Command(
        "let_go",
        (keys.CALLS, call.twins, keys.job(job_id)),
        (job_id, call.id, how, joined_ms, call.rejoin_ms + LONGEST_MS),
        bool,
    )


def keep(rejoin_ms: int, job_ids: Iterable[str]) -> Command[None]:
    """Renews the calls on these jobs for LEASE_SECONDS."""
    return Command("keep", (keys.CALLS,), (LEASE_MS + rejoin_ms, *job_ids), lambda _: None)


def abandoned(limit: int = 100) -> Command[list[str]]:
    """The jobs whose call was cut, and that no equal call has joined in time."""
    return reads.due(keys.CALLS, limit)
