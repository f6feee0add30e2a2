"""`python -m worker.finish.main`: a finish worker. It needs no GPU, and any number may run."""

from __future__ import annotations

import functools
import os
import socket
from typing import TYPE_CHECKING, Any

from celery import signals

from shared import prompt_filter
from shared.connection import patient_client
from shared.ledger.run import Ledger
from shared.observability import exporter, tracing
from shared.queue import FINISH, FINISH_LIMIT_SECONDS, OUTAGE_BUDGET_SECONDS, make_celery
from shared.results.opening import open_pixels, open_results
from worker import boot, child_death
from worker.finish import marking
from worker.finish.finisher import Finisher
from worker.outputs import image_filter
from worker.recovery import Recovery
from worker.settings import WorkerSettings

if TYPE_CHECKING:
    from celery import Celery


def main() -> None:
    config = boot.configure(WorkerSettings, "finish")
    marking.check(config)
    boot.check_store()
    if config.filters_images:
        prompt_filter.require(image_filter.PACKAGE)
    app = make_celery(config.redis_url)
    app.conf.task_time_limit = FINISH_LIMIT_SECONDS
    fail_fast = Ledger(patient_client(config.redis_url, outage_seconds=1))
    child_death.watch(fail_fast, _recovery(fail_fast, app, config), child_death.is_finishing)
    plan = boot.WorkerPlan(
        queue=FINISH,
        hostname=f"finish-{os.getpid()}@{socket.gethostname()}",
        concurrency=config.finish_concurrency,
    )

    def export(worker: Any) -> None:
        exporter.serve(config, "finish", functools.partial(boot.childless, worker))

    boot.run_worker(config, app, plan, functools.partial(_set_up_child, app, config), before_start=export)


def _set_up_child(app: Celery, config: WorkerSettings) -> boot.Handle:
    tracing.configure(config.otel_exporter_otlp_endpoint, "finish")
    signals.worker_process_shutdown.connect(lambda **_: tracing.shutdown(), weak=False)
    patient = Ledger(patient_client(config.redis_url, OUTAGE_BUDGET_SECONDS))
    fail_fast = Ledger(patient_client(config.redis_url, outage_seconds=1))
    results = open_results(patient.client, config)
    return Finisher(patient, fail_fast, results, _recovery(patient, app, config), config).finish


def _recovery(ledger: Ledger, app: Celery, config: WorkerSettings) -> Recovery:
    return Recovery(ledger, open_pixels(ledger.client), app, config.job_ttl_seconds)


if __name__ == "__main__":
    main()
