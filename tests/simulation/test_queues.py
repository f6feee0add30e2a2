"""The simulation's fair queue decides as the ledger does."""

import itertools

from queues import Fair, Job

from shared import jobs
from shared.ledger import keys, moves

SECONDS = {"a": 3.1, "b": 7.3, "c": 5.7}
WEIGHTS = {"b": 1.5}


def test_it_takes_the_same_keys(ledger, client):
    queue, numbers, told = Fair(WEIGHTS), itertools.count(), []

    def put(key, count):
        for number in itertools.islice(numbers, count):
            record = jobs.Job(id=f"{number:03}", status="queued", prompt="fox", sizes=(64,), seed=1, owner=key)
            ledger.run(moves.create(record, max_queue=999, weight=WEIGHTS.get(key, 1)))
            queue.put(Job(key, number, SECONDS[key]))

    put("a", 12)
    for step in range(40):
        if step == 5:
            put("b", 10)
        if step == 9:
            put("c", 12)
        if step == 20:
            put("a", 6)
        job = ledger.run(moves.claim_next(worker="w", delivery=str(step))).job
        client.hincrby(keys.job(job.id), "started_at", -round(SECONDS[job.owner] * 1000))
        drawn = ledger.run(moves.finish(job.id, 1, width=64, height=64, model="m")).job
        taken = queue.take()
        queue.drawn(taken, drawn.denoise_ms / 1000)
        told.append((taken.key, job.owner))
    assert [expected for expected, _ in told] == [owner for _, owner in told]
