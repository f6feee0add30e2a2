"""What fair shares cost a claim: against the same script, in which the oldest job is next and nothing is charged.

In CPU time of the server and of this process, because a loaded machine lets both wait for longer than they work.
"""

import itertools
import time

import pytest

from shared.jobs import Job, JobStatus
from shared.ledger import moves, run
from tests.cpu_time import thread_seconds

pytestmark = pytest.mark.benchmark
QUEUED, CLAIMS, ROUNDS = 300, 150, 12  # of four rounds two runs differ by 0.2
FIRST_IN_FIRST_OUT = """
local function next_in_turn() return redis.call('ZRANGE', queued_key, 0, 0)[1] end
local function enqueue() end
local function dequeue() end
local function take_turn() return '0' end
local function settle_turn() end
local function learn_cost() end
"""


def without_turns():
    text = (run._LUA / "move.lua").read_text().replace("-- include turns\n", FIRST_IN_FIRST_OUT)
    for part in ("memory", "usage"):
        text = text.replace(f"-- include {part}\n", run._read(f"{part}.part"))
    return run._Script(text)


@pytest.mark.parametrize("owners", [1, 20, 200])
def test_a_claim_over_that_of_the_oldest_job(ledger, client, valkey, report, monkeypatch, owners):
    client.config_set("appendfsync", "no")
    numbers = itertools.count()

    def cpu_seconds():
        return thread_seconds(valkey.process.pid) + time.process_time()

    def claim():
        assert ledger.run(moves.claim_next(worker="w", delivery=str(next(numbers)))).outcome == "moved"

    def seconds_of_claims(script):
        client.flushall()
        for number in range(QUEUED):
            owner = str(number % owners)
            job = Job(id=f"job-{number}", status=JobStatus.QUEUED, prompt="fox", sizes=(64,), seed=1, owner=owner)
            ledger.run(moves.create(job, max_queue=QUEUED))
        monkeypatch.setitem(run._SCRIPTS, "move", script)
        claim()  # sends the script
        start = cpu_seconds()
        for _ in range(CLAIMS):
            claim()
        return cpu_seconds() - start

    scripts = (run._SCRIPTS["move"], without_turns())
    fair, oldest = (
        sum(found) / ROUNDS / CLAIMS
        for found in zip(*(map(seconds_of_claims, scripts) for _ in range(ROUNDS)), strict=True)
    )
    client.config_set("appendfsync", "always")
    report(f"a claim among {owners} keys", fair, "of the oldest job", oldest)
