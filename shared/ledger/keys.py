"""The ledger's keys in Redis and what each holds; the ledger's modules hand them to the Lua scripts."""

from __future__ import annotations

from shared.jobs import Priority

QUEUED = "logo:queued"  # zset of queued job ids; score: created_at in ms plus the QUEUE_OFFSETS of the priority
LEASES = "logo:leases"  # zset of held job ids; score: when the lease expires, in ms
DEADLINES = "logo:deadlines"  # zset of job ids; score: deadline_at in ms
EVENTS = "logo:events"  # stream: an entry for each move
FORGET = "logo:forget"  # zset of "job_id owner"; score: when the record expires, in ms
WEBHOOKS = "logo:webhooks"  # zset of job ids; score: when the webhook is due, in ms
RESERVED = "logo:reserved"  # hash: bytes that a held job may still store, by job id (room.py)
IMAGES = "logo:kept-images"  # zset of ids of jobs that have images; score: when these expire, in ms
HELD = "logo:held"  # hash: a worker's name to the id of the job that it draws
COUNTERS = "logo:counters"  # hash of integers (counters.py)
CALLS = "logo:calls"  # zset of ids of jobs that a call holds or held; score: when the job is canceled, in ms (calls.py)
SHARES = "logo:shares"  # hash: what each owner has had of the cards (lua/turns.part.lua)
INPUTS = "logo:inputs"  # set of ids of jobs that start from an image and have not ended
PENDING = "logo:pending"  # hash: "OWNER:jobs" and "OWNER:images" that have not ended (lua/usage.part.lua)
USERS = "logo:users"  # zset of owners that have used something; score: when they last did, in ms
FORGOTTEN = (
    "logo:forgotten"  # string: how many forgotten jobs the append-only file may still have (worker/rewriting.py)
)
SWEEPER = "logo:sweeper"  # string: the name of the leading sweeper
AUDIT = "logo:audit"  # stream: an entry for each action of an operator, and one for its outcome (audit.py)

# Prefixes, followed by a colon and the owner.
OWNED = "logo:owned"  # zset of the owner's job ids; score: the order of their creation
OWN_QUEUED = "logo:own-queued"  # set of the owner's queued job ids
OWN_CREATED = "logo:own-created"  # string: the number of jobs that the owner has created in this minute

# Prefixes, followed by a colon and a priority, and for a lane by a colon and the owner too.
LANES = "logo:lane"  # zset of the owner's queued job ids of the priority; score: as in QUEUED
TURNS = "logo:turns"  # zset of the owners with queued jobs of the priority; score: when their turn comes (virtual s)
# The queue in the order of the turns, for the scripts that include lua/turns.part.lua.
IN_TURN = (LANES, TURNS, SHARES)

USAGE = "logo:usage"  # see `usage`

# What each priority adds to created_at (ms) to make the score in QUEUED; the offsets lie further apart than any two
# times. Normal adds nothing, because a record without a queue_score is queued by its created_at (lua/move.lua).
QUEUE_OFFSETS = {Priority.HIGH: -(10**13), Priority.NORMAL: 0, Priority.LOW: 10**13}


def job(job_id: str) -> str:
    """The key of a job's record (hash; shared/jobs.py)."""
    return f"logo:job:{job_id}"


def idempotency(owner: str, key: str) -> str:
    """The key of an idempotency key (string: the id of the job that it created, the fingerprint of the request)."""
    return f"logo:idempotency:{owner}:{key}"


def twins(caller: str, request: str) -> str:
    """Zset of ids of the jobs of a caller's equal held calls (lua/let_go.lua has the score)."""
    return f"logo:twins:{caller}:{request}"


def usage(owner: str, month: str) -> str:
    """Hash: what an owner has used in a month, such as 2026-11. Fields: a day or "month", a colon, what is counted."""
    return f"{USAGE}:{owner}:{month}"


def pace(model: str) -> str:
    """Hash: how long drawing with this model takes (shared/pace.py)."""
    return f"logo:pace:{model}"
