"""One generate worker: a Celery parent that takes a GPU and never touches CUDA, and one child that holds the model.

The parent imports the engine before it forks, so that a child in place of a dead one loads the model at once.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import socket
from typing import TYPE_CHECKING

from celery import signals

from shared import workers
from shared.connection import UNAVAILABLE, patient_client
from shared.ledger.run import Ledger
from shared.observability import exporter, metrics
from shared.observability.logging import get_logger
from shared.queue import GENERATE, LOADING, make_celery
from shared.results.opening import open_pixels
from worker import boot, child_death
from worker.generate import child, readiness
from worker.generate.pinning import take_gpu
from worker.recovery import Recovery
from worker.settings import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis
    from prometheus_client.core import Metric

    from shared.gpus import Gpu

log = get_logger(__name__)
# Celery replaces a child that is not up within this time; to load 34 GB from a slow disk takes minutes.
LOAD_TIMEOUT_SECONDS = 1800.0


def main() -> None:
    # Idle OpenMP threads sleep instead of spinning: on shared cores a spin costs the CPU model up to 17 times its time.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    config = boot.configure(WorkerSettings, "generate")
    figures = OwnFigures(config.redis_url)
    # Starts before the wait for a card, so that a worker that waits for one counts as healthy.
    exporter.serve(config, "generate", readiness.trouble, figures.collect)
    gpu = None if config.torch_device in ("cpu", "mps") else take_gpu(config.gpu_lock_dir, config.gpu)
    figures.name = name = worker_name(gpu)
    app = make_celery(config.redis_url)
    app.conf.worker_proc_alive_timeout = LOAD_TIMEOUT_SECONDS
    app.steps["consumer"].add(readiness.Gate)
    signals.worker_shutting_down.connect(lambda **_: readiness.shut_down(), weak=False)
    # The parent's event loop must not wait long for Redis.
    fail_fast = Ledger(patient_client(config.redis_url, outage_seconds=1))
    recovery = Recovery(fail_fast, open_pixels(fail_fast.client), app, config.job_ttl_seconds)
    readiness.when_lost(functools.partial(say_unready, fail_fast.client, name))
    child_death.watch(fail_fast, recovery, child_death.drawn_by(name), readiness.child_lost, worker=name)
    plan = boot.WorkerPlan(queue=GENERATE, consumes=LOADING, hostname=name, concurrency=1)
    set_up = functools.partial(child.set_up, app, config, gpu, name)
    with contextlib.suppress(Exception):  # the child's import meets the same failure, and is where it is handled
        child.import_engine(config, gpu)
    boot.run_worker(config, app, plan, set_up, means_to_consume=readiness.means_to_consume)


def worker_name(gpu: Gpu | None) -> str:
    """Names the card and the host, for Flower, /health and the metrics. With a GPU, restarts keep the name."""
    card = re.sub(r"[^a-z0-9]+", "-", gpu.name.lower().removeprefix("nvidia ")).strip("-") if gpu else "cpu"
    return f"generate-{card}-{gpu.uuid[4:12] if gpu else os.getpid()}@{socket.gethostname()}"


def say_unready(client: redis.Redis, name: str) -> None:
    """In place of the child that is gone, so that /health, the metrics and the estimates no longer count it."""
    try:
        workers.unready(client, name)
    except UNAVAILABLE as error:
        log.warning("heartbeat.failed", error=repr(error))


class OwnFigures:
    """The child's metrics for the parent's exporter, taken from the child's heartbeat in Redis."""

    def __init__(self, redis_url: str) -> None:
        self.name = ""  # empty until the worker has its card
        self._client = patient_client(redis_url, outage_seconds=0)

    def collect(self) -> Iterator[Metric]:
        try:
            info = workers.find(self._client, self.name) if self.name else None
        except UNAVAILABLE:
            info = None
        yield from metrics.of_workers([info] if info else [])
