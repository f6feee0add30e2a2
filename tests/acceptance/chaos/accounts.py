"""What does not agree between the keys of a run: what each has used, and whose job was next."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections import defaultdict
from datetime import UTC, datetime, timedelta

from shared.jobs import Job, Priority
from shared.ledger import room
from shared.ledger.keys import PENDING
from shared.ledger.run import Ledger
from shared.ledger.usage import Use, of_job, usage

# By how much one key may be ahead of a waiting one: some long drawings, and what was expected of the first jobs, whose
# cost is not known.
AHEAD_DRAWINGS = 6
AHEAD_MS = 5000
# Of the other key's drawings, the longest of so many are left out: each worker may have begun one of any length just
# before, and goes on with it.
WORKERS = 2


def of_usage(client):
    """Findings where a key's usage is not the sum over its jobs. Records are kept for longer than a run."""
    jobs, today = _jobs(client), datetime.now(UTC).date()
    for owner in {job.owner for job in jobs}:
        summed = sum((of_job(job, room.image_pixels(job)) for job in jobs if job.owner == owner), Use())
        counted = Ledger(client).run(usage(owner, today - timedelta(2), today + timedelta(1))).total
        if counted != summed:
            yield f"{owner[:8]} has used {counted}, its jobs {summed}"
    if pending := {name: count for name, count in client.hgetall(PENDING).items() if count != b"0"}:
        yield f"left in {PENDING}: {pending}"


def of_shares(client):
    """Findings where a key's next job waited while another key of the same weight had much more of the cards than a
    turn.
    """
    return unfair([job for job in _jobs(client) if job.started_at])


def unfair(drawn):
    """The findings of `of_shares` in jobs of normal priority. A key waits with its next job from the moment that the
    job is made and the one before it is claimed. What the key's own drawings took that end in this time, or so shortly
    before that the others are still making up for them, is taken from what another key had: a worker that was stopped
    in the midst of a drawing makes a long one of it, and jobs of high priority are drawn before. A key with jobs of low
    priority is left out: behind those of the others it gets minutes ahead (docs/decisions/0026-fair-shares.md). So is a
    job that lost an attempt: its record has the last claim only.
    """
    gets_ahead = {job.owner for job in drawn if job.priority is Priority.LOW}
    normal = [job for job in drawn if job.priority is Priority.NORMAL and job.owner not in gets_ahead]
    normal.sort(key=lambda job: job.started_at)
    claims = [job.started_at for job in normal]
    costs = sorted(job.denoise_ms for job in normal)
    allowed = AHEAD_MS + AHEAD_DRAWINGS * costs[len(costs) * 95 // 100] if costs else 0
    claimed = {}
    for job in normal:
        since = max(job.created_at, claimed.get(job.owner, 0))
        claimed[job.owner] = job.started_at
        if job.attempt > 1:
            continue
        own = sum(
            one.denoise_ms
            for one in drawn
            if one.owner == job.owner and one.started_at < job.started_at and _ended(one) + one.denoise_ms > since
        )
        of_others = defaultdict(list)
        for other in normal[bisect_right(claims, since) : bisect_left(claims, job.started_at)]:
            if other.owner != job.owner:
                of_others[other.owner].append(other.denoise_ms)
        had = max((sum(sorted(took)[:-WORKERS]) for took in of_others.values()), default=0)
        if had - own > allowed:
            waited = job.started_at - since
            yield f"{job.id} waited {waited} ms while another key had {had} ms and its own {own}, {allowed} are allowed"


def keep(client, path):
    """Writes what a finding of shares is looked into with: each job's times and cost, one a line."""
    names = ("id", "owner", "priority", "status", "attempt", "created_at", "started_at", "drawn_at", "finished_at")
    lines = [
        json.dumps({name: getattr(job, name) for name in (*names, "denoise_ms", "worker")}) for job in _jobs(client)
    ]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def _ended(job):
    return job.drawn_at or job.finished_at  # a drawing that failed or was canceled ends with its job


def _jobs(client):
    records = [client.hgetall(key) for key in client.scan_iter("logo:job:*", count=1000)]
    return [Job.from_record({name.decode(): value.decode() for name, value in record.items()}) for record in records]
