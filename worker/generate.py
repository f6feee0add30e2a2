"""`python -m worker.generate`: one generate worker. Takes a GPU, then runs a Celery parent that never touches CUDA and
one child that holds the model.
"""

from __future__ import annotations

import functools
import gc
import os
import re
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

from celery import signals

from shared import exporter, logging, metrics, settings, tracing, workers
from shared.connection import UNAVAILABLE, patient_client
from shared.gpus import Usage, usage
from shared.queue import GENERATE, LOADING, OUTAGE_BUDGET_SECONDS, make_celery
from shared.scripts import Ledger
from shared.workers import WorkerInfo
from worker import compile_cache, fate, readiness
from worker.deafness import Deafness
from worker.generator import Generator
from worker.heartbeat import Heartbeat
from worker.pinning import take_gpu
from worker.recovery import Recovery
from worker.settings import WorkerSettings
from worker.task import JobTask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery
    from prometheus_client.core import Metric

    from shared.gpus import Gpu

log = logging.get_logger(__name__)
# A child that loads 34 GB from a slow disk must not be taken for one that does not start.
LOAD_TIMEOUT_SECONDS = 1800.0
# From a load that failed to the next one: a hub that refuses a token must not be asked every few seconds.
LOAD_RETRY_SECONDS = 30.0


def main() -> None:
    # Idle OpenMP threads sleep instead of spinning: on shared cores a spin costs the CPU model up to 17 times its time.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    config = settings.load(WorkerSettings)
    logging.configure(config.log_level, config.log_format, "generate")
    figures = OwnFigures(config.redis_url)
    # Before the wait for a card, so that a worker that waits is known to be well.
    exporter.serve(config, "generate", readiness.trouble, figures.collect)
    gpu = None if config.torch_device in ("cpu", "mps") else take_gpu(config.gpu_lock_dir, config.gpu)
    name = worker_name(gpu)
    figures.name = name
    app = make_celery(config.redis_url)
    app.conf.worker_proc_alive_timeout = LOAD_TIMEOUT_SECONDS
    app.steps["consumer"].add(readiness.Gate)
    _keep_our_logging()
    signals.worker_shutting_down.connect(lambda **_: readiness.shut_down(), weak=False)
    signals.worker_process_init.connect(functools.partial(_set_up_child, app, config, gpu, name), weak=False)

    @app.task(name=GENERATE, base=JobTask)
    def generate(job_id: str, version: int) -> None:  # noqa: ARG001 - read by JobTask
        generator: Generator = app.generator
        generator.draw(job_id)

    # A new connection for each use: the parent's loop must not wait for Redis longer than a moment.
    jobs = Ledger(patient_client(config.redis_url, outage_seconds=1))
    fate.watch(jobs, Recovery(jobs, app, config.job_ttl_seconds), fate.drawn_by(name), readiness.child_lost)
    worker = app.Worker(
        hostname=name,
        queues=[LOADING],
        concurrency=1,
        pool="prefork",
        quiet=True,
        loglevel=config.log_level,
        without_gossip=True,
        without_mingle=True,
    )
    Deafness(patient_client(config.redis_url, outage_seconds=0), GENERATE, readiness.warm).start_with_the_worker()
    worker.start()
    raise SystemExit(worker.exitcode or 0)


def worker_name(gpu: Gpu | None) -> str:
    """Shown by Flower, /health and the metrics: which card, and where; stays the same for a card on a host."""
    card = re.sub(r"[^a-z0-9]+", "-", gpu.name.lower().removeprefix("nvidia ")).strip("-") if gpu else "cpu"
    return f"generate-{card}-{gpu.uuid[4:12] if gpu else os.getpid()}@{socket.gethostname()}"


class OwnFigures:
    """The child's numbers reach the parent's exporter by its heartbeat, which it sends to Redis anyway."""

    def __init__(self, redis_url: str) -> None:
        self.name = ""  # until there is a card
        self._client = patient_client(redis_url, outage_seconds=0)

    def collect(self) -> Iterator[Metric]:
        try:
            info = workers.find(self._client, self.name) if self.name else None
        except UNAVAILABLE:
            info = None
        yield from metrics.of_workers([info] if info else [])


def _keep_our_logging() -> None:
    """A receiver is what keeps Celery from configuring the logging itself."""
    signals.setup_logging.connect(lambda **_: None, weak=False)


def _set_up_child(app: Celery, config: WorkerSettings, gpu: Gpu | None, name: str, **_: Any) -> None:
    """Celery swallows what this raises, and a worker without a model would go on serving: so a failure ends both."""
    readiness.announce(-os.getpid())
    parent = os.getppid()
    try:
        _load(app, config, gpu, name)
    except BaseException:
        log.exception("model.load_failed", again_in_seconds=LOAD_RETRY_SECONDS)
    else:
        readiness.announce(os.getpid())
        return
    # Here and not in a supervisor: a load fails later than what supervisord (startsecs) and Docker (10 s) take for a
    # failed start, so both would start the next one at once. A shutdown ends this child as it does one that loads.
    again_at = time.monotonic() + LOAD_RETRY_SECONDS
    while time.monotonic() < again_at and os.getppid() == parent:
        time.sleep(0.1)
    if os.getppid() == parent:
        os.kill(parent, signal.SIGQUIT)
    os._exit(1)


def _load(app: Celery, config: WorkerSettings, gpu: Gpu | None, name: str) -> None:
    # At import it warns of optional packages that FLUX does without.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    compile_cache.use(config.compile_cache_dir, gpu)
    # Each collection would go through all of the thousands of modules that are imported so far.
    gc.disable()
    from worker.flux import FluxModel  # noqa: PLC0415 - imports torch: in the child only

    gc.freeze()
    gc.enable()
    model = FluxModel(config, gpu)
    client = patient_client(config.redis_url, OUTAGE_BUDGET_SECONDS)
    hasty = patient_client(config.redis_url, outage_seconds=1)
    generator = Generator(name, model, Ledger(client), Ledger(hasty), app, config)
    ready = False

    def describe() -> WorkerInfo:
        device = model.device()
        used = usage(gpu.uuid) if gpu and device.type == "cuda" else Usage(0, 0.0)
        return WorkerInfo(
            name=name,
            ready=ready,
            model=model.name,
            device_type=device.type,
            device_name=device.name,
            device_uuid=device.uuid,
            memory_allocated_bytes=device.memory_allocated_bytes,
            memory_reserved_bytes=device.memory_reserved_bytes,
            memory_total_bytes=device.memory_total_bytes,
            job_id=generator.job_id,
            gpu_memory_used_bytes=used.memory_used_bytes,
            gpu_utilization=used.utilization,
        )

    heartbeat = Heartbeat(hasty, describe, readiness.beat, readiness.ending)
    heartbeat.start()
    tracing.configure(config.otel_exporter_otlp_endpoint, "generate")
    signals.worker_process_shutdown.connect(lambda **_: tracing.shutdown(), weak=False)
    signals.worker_process_shutdown.connect(lambda **_: heartbeat.end(), weak=False)
    model.setup()
    ready = True
    heartbeat.beat()
    app.generator = generator


if __name__ == "__main__":
    main()
