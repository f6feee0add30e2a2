"""A generate worker's child: the only process that imports torch and holds the model."""

from __future__ import annotations

import gc
import os
import signal
import time
from typing import TYPE_CHECKING

from celery import signals

from shared.connection import patient_client
from shared.gpus import Usage, usage
from shared.ledger.run import Ledger
from shared.observability import tracing
from shared.observability.logging import get_logger
from shared.queue import OUTAGE_BUDGET_SECONDS
from shared.results.opening import open_results
from shared.workers import WorkerInfo
from worker.generate import readiness
from worker.generate.generator import Generator
from worker.generate.heartbeat import Heartbeat

if TYPE_CHECKING:
    from celery import Celery

    from shared.gpus import Gpu
    from worker.boot import Handle
    from worker.model import LogoModel
    from worker.settings import WorkerSettings

log = get_logger(__name__)
# From a load that failed to the next one: a hub that refuses a token must not be asked every few seconds.
LOAD_RETRY_SECONDS = 30.0


def set_up(app: Celery, config: WorkerSettings, gpu: Gpu | None, name: str) -> Handle:
    """Loads the model and opens the worker's queue.

    Celery swallows what this raises, and a worker without a model would go on serving: so a failed load ends both
    processes.
    """
    readiness.announce(-os.getpid())
    parent = os.getppid()
    try:
        generator = load(app, config, gpu, name)
    except BaseException:
        log.exception("model.load_failed", again_in_seconds=LOAD_RETRY_SECONDS)
    else:
        readiness.announce(os.getpid())
        return generator.generate
    # The pause is here and not in a supervisor: a load fails later than what supervisord (startsecs) and Docker (10 s)
    # take for a failed start, so both would start the next one at once. A shutdown ends this child as one that loads.
    again_at = time.monotonic() + LOAD_RETRY_SECONDS
    while time.monotonic() < again_at and os.getppid() == parent:
        time.sleep(0.1)
    if os.getppid() == parent:
        os.kill(parent, signal.SIGQUIT)
    os._exit(1)


def load(app: Celery, config: WorkerSettings, gpu: Gpu | None, name: str) -> Generator:
    """The model, warm, and what draws with it; the worker's heartbeat runs from here on."""
    model = make_model(config, gpu)
    patient = Ledger(patient_client(config.redis_url, OUTAGE_BUDGET_SECONDS))
    fail_fast = Ledger(patient_client(config.redis_url, outage_seconds=1))
    generator = Generator(name, model, patient, fail_fast, open_results(patient.client), app, config)
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

    heartbeat = Heartbeat(fail_fast.client, describe, readiness.beat, readiness.ending)
    heartbeat.start()
    tracing.configure(config.otel_exporter_otlp_endpoint, "generate")
    signals.worker_process_shutdown.connect(lambda **_: tracing.shutdown(), weak=False)
    signals.worker_process_shutdown.connect(lambda **_: heartbeat.end(), weak=False)
    model.setup()
    ready = True
    heartbeat.beat()
    return generator


def make_model(config: WorkerSettings, gpu: Gpu | None) -> LogoModel:
    """The engine that the settings ask for, not set up yet. Another family of models is chosen here."""
    # transformers warns at import of optional packages that FLUX does without.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    from worker.flux import compile_cache  # noqa: PLC0415 - the engine is imported in the child only

    compile_cache.use(config.compile_cache_dir, gpu)
    # A collection would walk all of the thousands of modules that are imported so far.
    gc.disable()
    from worker.flux.model import FluxModel  # noqa: PLC0415 - imports torch

    gc.freeze()
    gc.enable()
    return FluxModel(config, gpu)
