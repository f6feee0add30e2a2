"""A generate worker's child: the only process that touches the card and holds the model."""

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
from shared.results.opening import open_pixels
from shared.workers import WorkerInfo
from worker.generate import readiness
from worker.generate.generator import Generator
from worker.generate.heartbeat import Heartbeat

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery

    from shared.gpus import Gpu
    from worker.boot import Handle
    from worker.model import LogoModel
    from worker.settings import WorkerSettings

log = get_logger(__name__)
# The pause after a failed load: a hub that refuses a token must not be asked every few seconds.
LOAD_RETRY_SECONDS = 30.0


def set_up(app: Celery, config: WorkerSettings, gpu: Gpu | None, name: str) -> Handle:
    """Loads the model and announces it, so that the parent opens the worker's queue.

    Celery swallows exceptions from here, and would keep a worker that has no model: so a failed load ends this process
    and its parent.
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
    # The pause is here because supervisors make none: supervisord (startsecs) and Docker (10 s) take only an early exit
    # for a failed start, and a load fails later. A shutdown meanwhile ends this child like one that loads.
    again_at = time.monotonic() + LOAD_RETRY_SECONDS
    while time.monotonic() < again_at and os.getppid() == parent:
        time.sleep(0.1)
    if os.getppid() == parent:
        os.kill(parent, signal.SIGQUIT)
    os._exit(1)


def load(app: Celery, config: WorkerSettings, gpu: Gpu | None, name: str) -> Generator:
    """Starts the worker's heartbeat and warms the model up; returns the generator that draws with it."""
    model = make_model(config, gpu)
    patient = Ledger(patient_client(config.redis_url, OUTAGE_BUDGET_SECONDS))
    fail_fast = Ledger(patient_client(config.redis_url, outage_seconds=1))
    generator = Generator(name, model, patient, fail_fast, open_pixels(patient.client), app, config)
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
            waits_for_room=generator.waits_for_room,
            gpu_memory_used_bytes=used.memory_used_bytes,
            gpu_utilization=used.utilization,
        )

    heartbeat = Heartbeat(fail_fast.client, describe, readiness.heartbeat, readiness.ending, readiness.told)
    heartbeat.start()
    tracing.configure(config.otel_exporter_otlp_endpoint, "generate")
    signals.worker_process_shutdown.connect(lambda **_: tracing.shutdown(), weak=False)
    signals.worker_process_shutdown.connect(lambda **_: heartbeat.end(), weak=False)
    model.setup()
    ready = True
    heartbeat.report()
    return generator


def make_model(config: WorkerSettings, gpu: Gpu | None) -> LogoModel:
    """The engine that the settings ask for, before its `setup`. A further model family would be chosen here."""
    return import_engine(config, gpu)(config, gpu)


def import_engine(config: WorkerSettings, gpu: Gpu | None) -> Callable[[WorkerSettings, Gpu | None], LogoModel]:
    """Imports torch and the engine, which touches no card, and returns the engine's class."""
    # At import, transformers warns of missing optional packages that FLUX does not need.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    # Where torch is asked for cards at import, NVML answers: a card touched before a fork is lost to the child.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    from worker.flux import compile_cache  # noqa: PLC0415 - the engine is imported by main, not with this module

    compile_cache.use(config.compile_cache_dir, gpu)
    # During the import each garbage collection would walk all of the thousands of modules.
    gc.disable()
    try:
        from worker.flux.model import FluxModel  # noqa: PLC0415 - imports torch
    finally:
        gc.freeze()
        gc.enable()
    return FluxModel
