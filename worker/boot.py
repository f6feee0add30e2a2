"""The start that all Celery workers share: settings, logging, one task on one queue, and the consumer watchdog."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from celery import signals

from shared import redis_state, settings
from shared.connection import patient_client
from shared.observability import logging
from worker.consumer_watchdog import ConsumerWatchdog
from worker.dead_children import Replacing
from worker.task import JobTask

if TYPE_CHECKING:
    from celery import Celery

    from worker.settings import WorkerSettings

S = TypeVar("S", bound=settings.Settings)
Handle = Callable[[str], None]  # handles one message, which is a job's id


def configure(kind: type[S], process: str) -> S:
    """Loads the settings of this process and configures its logging. `process` is its name on each log line."""
    config = settings.load(kind)
    logging.configure(config.log_level, config.log_format, process)
    redis_state.refuse_cluster(config.redis_url)
    # Celery configures logging itself unless this signal has a receiver.
    signals.setup_logging.connect(lambda **_: None, weak=False)
    return config


def check_store() -> None:
    """Looks at the store of the results in a process of its own: the threads of its library outlive no fork, and a pool
    forks.

    :raises SystemExit: it cannot be used; the process has said why.
    """
    looked = subprocess.run([sys.executable, "-m", "worker.store_check"], check=False)
    if looked.returncode == settings.SETTING_IS_WRONG:
        raise SystemExit(settings.SETTING_IS_WRONG)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPlan:
    """One Celery worker: its queue, its name, and the kind and size of its pool."""

    queue: str
    hostname: str
    concurrency: int
    pool: str = "prefork"
    consumes: str | None = None  # the queue to start on, for a worker that opens `queue` itself later

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


def run_worker(  # noqa: PLR0913 - the workers differ in each of these
    config: WorkerSettings,
    app: Celery,
    plan: WorkerPlan,
    set_up: Callable[[], Handle],
    *,
    before_start: Callable[[Any], None] = lambda _: None,
    means_to_consume: Callable[[], bool] = lambda: True,
) -> None:
    """Runs the worker until it is told to stop, then ends the process with Celery's exit code.

    :param set_up: returns the handler of messages; called in each child of a prefork pool, else once in this process.
    :param before_start: called with the Celery worker before its pool forks.
    :param means_to_consume: returns False while the worker takes no messages on purpose.
    """
    handlers: list[Handle] = []  # holds the handler once this process is set up

    def set_up_process(**_: Any) -> None:
        handlers[:] = [set_up()]

    if plan.pool == "prefork":
        signals.worker_process_init.connect(set_up_process, weak=False)
        app.steps["consumer"].add(Replacing)
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
    """Whether a child of this process exists. Leaves its exit status to its pool."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def childless(worker: Any) -> str:
    """Why a prefork worker is unhealthy, in a few words; empty while any of its children lives."""
    children = [process.pid for process in worker.pool._pool._pool] if worker.pool else []  # noqa: SLF001 - no public list
    return "" if any(map(process_exists, children)) else "there is no child"
