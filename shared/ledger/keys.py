"""The names of the ledger's keys in Redis, and what each holds. Every key that a script touches is named here."""

from __future__ import annotations

from shared.jobs import Priority

QUEUED = "logo:queued"  # zset of queued job ids; score: created_at in ms, moved by QUEUE_OFFSETS
LEASES = "logo:leases"  # zset of held job ids; score: when the lease runs out, in ms
DEADLINES = "logo:deadlines"  # zset of job ids; score: deadline_at in ms
EVENTS = "logo:events"  # stream: an entry for each move
FORGET = "logo:forget"  # zset of "job_id owner"; score: when the record expires, in ms
WEBHOOKS = "logo:webhooks"  # zset of job ids; score: when the webhook is due, in ms
COUNTERS = "logo:counters"  # hash of integers (counters.py)
SWEEPER = "logo:sweeper"  # string: the sweeper that leads

# Prefixes: a colon and the owner follow.
OWNED = "logo:owned"  # zset of the owner's job ids; score: the order of their creation
OWN_QUEUED = "logo:own-queued"  # set of the owner's queued job ids

# Added to the time of creation (ms) for the score in QUEUED; a priority lies further apart than any two times. Normal
# adds nothing, so that jobs queued before priorities existed keep their places.
QUEUE_OFFSETS = {Priority.HIGH: -(10**13), Priority.NORMAL: 0, Priority.LOW: 10**13}


def job(job_id: str) -> str:
    """Hash: the record of one job (shared/jobs.py)."""
    return f"logo:job:{job_id}"


def idempotency(owner: str, key: str) -> str:
    """String: the id of the job that this key created, and the fingerprint of its request."""
    return f"logo:idempotency:{owner}:{key}"


def pace(model: str) -> str:
    """Hash: how long drawing with this model takes (shared/pace.py)."""
    return f"logo:pace:{model}"
