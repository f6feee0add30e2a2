"""What the queue costs on top of the drawing, and the ledger on top of Redis."""

import itertools

import pytest

from shared.jobs import Job, JobStatus
from shared.ledger import moves
from worker.model import Drawing
from worker.settings import WorkerSettings

pytestmark = pytest.mark.benchmark
PROMPT, SIZE, STEPS = "a red fox head, geometric", 256, 28


def test_a_jobs_life_in_the_ledger_over_plain_writes(ledger, client, median_seconds, report):
    """create, claim, finish and succeed, which are four scripts, against four SETs on the same server."""
    numbers = itertools.count()

    def life():
        job = f"job-{next(numbers)}"
        ledger.run(
            moves.create(Job(id=job, status=JobStatus.QUEUED, prompt=PROMPT, sizes=(SIZE,), seed=1), max_queue=10**6)
        )
        ledger.run(moves.claim(job, worker="w", delivery="d"))
        ledger.run(moves.finish(job, 1, width=SIZE, height=SIZE, model="m"))
        ledger.run(moves.succeed(job, 1, images_ttl_seconds=1, ttl_seconds=60))

    def plain():
        for _ in range(4):
            client.set("key", "value")

    report("a job's four moves", median_seconds(life, 200), "four SETs", median_seconds(plain, 200))


def test_a_job_through_the_stack_over_the_drawing_alone(request, median_seconds, report):
    """From the submit to the base64 PNG, with a long wait, against FluxModel.generate in this process."""
    from worker.flux.model import FluxModel  # noqa: PLC0415 - imports torch: for this benchmark only

    model = FluxModel(WorkerSettings(_env_file=None, warmup_size=SIZE), None)
    model.setup()
    alone = median_seconds(lambda: model.generate(Drawing(PROMPT, SIZE, (1,), STEPS), lambda *_: None), 7)

    http = request.getfixturevalue("http")  # started after the drawing alone has been measured

    def job():
        body = {"prompt": PROMPT, "sizes": [SIZE], "seed": 1, "steps": STEPS, "enhance": False}
        submitted = http.post("/api/jobs", json=body).json()
        done = http.get(f"/api/jobs/{submitted['id']}", params={"wait": 60}).json()
        assert done["status"] == "succeeded"

    through = median_seconds(job, 7)
    report("a job through the stack", through, "the drawing alone", alone)
