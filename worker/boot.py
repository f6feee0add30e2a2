"""What every Celery worker does alike: settings, logging, one task on one queue, and the watch over its consumer."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from celery import signals

from shared import settings
from shared.connection import patient_client
from shared.observability import logging
from worker.consumer_watchdog import ConsumerWatchdog
from worker.task import JobTask

if TYPE_CHECKING:
    from celery import Celery

    from worker.settings import WorkerSettings

S = TypeVar("S", bound=settings.Settings)
Handle = Callable[[str], None]  # does the work of one message, which is a job's id


def configure(kind: type[S], process: str) -> S:
    """The settings of this process, by which its logging is set up. `process` names it in each log line."""
    config = settings.load(kind)
    logging.configure(config.log_level, config.log_format, process)
    # Celery configures logging itself unless this signal has a receiver.
    signals.setup_logging.connect(lambda **_: None, weak=False)
    return config


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPlan:
    """One Celery worker: which queue it works off, in what kind of pool, under which name."""

    queue: str
    hostname: str
    concurrency: int
    pool: str = "prefork"
    consumes: str | None = None  # the queue that it starts on, where it opens `queue` by itself later

    def make(self, app: Celery, log_level: str) -> Any:
        return app.Worker(
            hostname=self.hostname,
            queues=[self.consumes or self.queue],
            concurrency=self.concurrency,
            pool=self.pool,
            quiet=True,
            loglevel=log_level,
            without_gossip=True,
            without_mingle=True,
        )


def run_worker(  # noqa: PLR0913 - what the workers differ in
    config: WorkerSettings,
    app: Celery,
    plan: WorkerPlan,
    set_up: Callable[[], Handle],
    *,
    before_start: Callable[[Any], None] = lambda _: None,
    means_to_consume: Callable[[], bool] = lambda: True,
) -> None:
    """Runs until it is told to stop, then ends the process with Celery's exit code.

    :param set_up: makes what handles a message: in each child of a prefork pool, else once in this process.
    :param before_start: gets the Celery worker, whose pool has not forked yet.
    :param means_to_consume: False while the worker takes no messages on purpose.
    """
    handlers: list[Handle] = []  # one, once this process is set up

    def set_up_process(**_: Any) -> None:
        handlers[:] = [set_up()]

    if plan.pool == "prefork":
        signals.worker_process_init.connect(set_up_process, weak=False)
    else:
        set_up_process()

    @app.task(name=plan.queue, base=JobTask)
    def handle(job_id: str, version: int) -> None:  # noqa: ARG001 - read by JobTask
        handlers[0](job_id)

    worker = plan.make(app, config.log_level)
    before_start(worker)
    client = patient_client(config.redis_url, outage_seconds=0)
    ConsumerWatchdog(client, plan.queue, means_to_consume).start_with_the_worker()
    worker.start()
    raise SystemExit(worker.exitcode or 0)


def process_exists(pid: int) -> bool:
    """Of a child of this process; without collecting its exit status, which is its pool's business."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def childless(worker: Any) -> str:
    """What is wrong with a prefork worker, in a few words; empty while any of its children lives."""
    children = [process.pid for process in worker.pool._pool._pool] if worker.pool else []  # noqa: SLF001 - no public list
    return "" if any(map(process_exists, children)) else "there is no child"
