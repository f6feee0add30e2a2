"""How long the stack takes to work again: one fault at a time, with jobs in the queue."""

from __future__ import annotations

import json
import time
import uuid
from datetime import datetime

import redis

# From and to which events seconds are counted, and their bound.
GOALS = {
    "generate child killed: model warm -> next job claimed": 3,
    "generate worker killed: kill -> job requeued": 15,
    "valkey killed: answers again -> first result": 5,
}


def drill(stack, rounds):
    """{goal: the seconds of each round}."""
    measures = (_child_killed, _worker_killed, _valkey_killed)
    return {goal: [measure(stack) for _ in range(rounds)] for goal, measure in zip(GOALS, measures, strict=True)}


def _child_killed(stack):
    # Enough jobs to keep the other worker busy meanwhile.
    jobs = [_submit(stack, steps=50, sizes=[256]) for _ in range(12)]
    _wait_for_running(stack, jobs[0])
    log = _Log(stack)
    worker, _, child = stack.holder(jobs[0]["id"])
    child.kill()
    warm = log.next("model.warm")
    seconds = log.next("job.claimed", worker=worker) - warm
    _cancel(stack, jobs)
    return seconds


def _worker_killed(stack):
    jobs = [_submit(stack, steps=50, sizes=[512])]
    _wait_for_running(stack, jobs[0])
    log, killed = _Log(stack), time.time()
    _, parent, _ = stack.holder(jobs[0]["id"])
    parent.kill()
    seconds = log.next("job.requeued", job_id=jobs[0]["id"]) - killed
    _cancel(stack, jobs)
    stack.wait_until(stack.ready)
    return seconds


def _valkey_killed(stack):
    jobs = [_submit(stack, steps=4, sizes=[64]) for _ in range(40)]
    stack.end_of(jobs[0]["id"])
    (server,) = stack.processes("valkey-server")
    log = _Log(stack)
    server.kill()
    server.wait(10)
    with redis.Redis.from_url(stack.redis_url, socket_timeout=1) as client:
        stack.wait_until(lambda: _answers(client))
    back = time.time()
    seconds = log.next("job.succeeded", after=back) - back
    _cancel(stack, jobs)
    return seconds


def _submit(stack, **body):
    """Submits like a client: it repeats a 503 under the same key, which is the same job."""
    key, answers = {"Idempotency-Key": str(uuid.uuid4())}, []

    def taken():
        answers.append(stack.http.post("/api/jobs", json={"prompt": "a red fox"} | body, headers=key))
        return answers[-1].status_code != 503

    stack.wait_until(taken)
    assert answers[-1].status_code == 202, answers[-1].text
    return answers[-1].json()


def _answers(client):
    try:
        return client.ping()
    except redis.RedisError:
        return False


def _wait_for_running(stack, job):
    stack.wait_until(lambda: stack.get(job["id"], include="none")["status"] == "running")


def _cancel(stack, jobs):
    for job in jobs:
        stack.http.delete(f"/api/jobs/{job['id']}")
    for job in jobs:
        stack.end_of(job["id"])


class _Log:
    """The events in the stack's log from now on."""

    def __init__(self, stack):
        self.stack = stack
        self.read_to = stack.log.stat().st_size

    def next(self, event, *, after=0.0, **fields):
        """Waits for the next such event; returns when it was logged (s since the epoch)."""
        wanted = {"event": event, **fields}.items()

        def found():
            for read in self._lines():
                at = datetime.fromisoformat(read["timestamp"]).timestamp()
                if wanted <= read.items() and at >= after:
                    return at
            return None

        return self.stack.wait_until(found)

    def _lines(self):
        with self.stack.log.open("rb") as file:
            file.seek(self.read_to)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # the rest of the line is not written yet
                self.read_to += len(line)
                if line.startswith(b"{"):
                    yield json.loads(line)
