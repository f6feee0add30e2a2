"""What it costs to tell a finisher of a drawing: with the move that says that it is drawn, against Celery's own way.

In CPU time of this process and of the server, and in time; the pixels' way is the same in both.
"""

import itertools
import statistics
import time

import pytest

from shared.jobs import Job, JobStatus
from shared.ledger import moves
from shared.queue import finish_message, make_celery, send_finish
from tests.cpu_time import thread_seconds

pytestmark = pytest.mark.benchmark
DRAWINGS, ROUNDS = 100, 5


def test_a_message_with_its_move_over_one_of_celerys(ledger, client, valkey, report):
    app, numbers = make_celery(valkey.url), itertools.count()

    def with_the_move(job_id):
        ledger.run(moves.finish(job_id, 1, width=8, height=8, model="m", message=finish_message(app, job_id, "r")))

    def after_it(job_id):
        ledger.run(moves.finish(job_id, 1, width=8, height=8, model="m"))
        send_finish(app, job_id, "r", outage_seconds=5)

    def measured(tell):
        took, spent = [], 0.0
        for _ in range(DRAWINGS):
            job_id = f"job-{next(numbers)}"
            job = Job(id=job_id, status=JobStatus.QUEUED, prompt="fox", sizes=(8,), seed=1)
            ledger.run(moves.create(job, max_queue=10**6))
            ledger.run(moves.claim(job_id, worker="w", delivery="d"))
            start, before = time.perf_counter(), cpu_seconds()
            tell(job_id)
            spent += cpu_seconds() - before
            took.append(time.perf_counter() - start)
        return spent / DRAWINGS, statistics.median(took)

    def cpu_seconds():
        return thread_seconds(valkey.process.pid) + time.process_time()

    rounds = [(measured(with_the_move), measured(after_it)) for _ in range(ROUNDS)]
    for column, what in enumerate(("CPU", "time")):
        ours, celerys = (statistics.median(pair[way][column] for pair in rounds) for way in (0, 1))
        report(f"{what} of a message with its move", ours, "after it, by Celery", celerys)
    app.close()
