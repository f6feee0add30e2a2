"""`python -m worker.finish.main`: a finish worker. CPU only, any number of them."""

from __future__ import annotations

import os
import socket
from typing import Any

from celery import signals

from shared import exporter, logging, settings, tracing
from shared.connection import patient_client
from shared.queue import FINISH, OUTAGE_BUDGET_SECONDS, make_celery
from shared.scripts import Ledger
from worker import fate, readiness
from worker.deafness import Deafness
from worker.finish.finisher import Finisher
from worker.recovery import Recovery
from worker.settings import WorkerSettings
from worker.task import JobTask


def main() -> None:
    config = settings.load(WorkerSettings)
    logging.configure(config.log_level, config.log_format, "finish")
    app = make_celery(config.redis_url)
    # A receiver is what keeps Celery from configuring the logging itself.
    signals.setup_logging.connect(lambda **_: None, weak=False)

    @signals.worker_process_init.connect(weak=False)
    def set_up_child(**_: Any) -> None:
        tracing.configure(config.otel_exporter_otlp_endpoint, "finish")
        signals.worker_process_shutdown.connect(lambda **_: tracing.shutdown(), weak=False)
        jobs = Ledger(patient_client(config.redis_url, OUTAGE_BUDGET_SECONDS))
        lease_jobs = Ledger(patient_client(config.redis_url, outage_seconds=1))
        app.finisher = Finisher(jobs, lease_jobs, Recovery(jobs, app, config.job_ttl_seconds), config)

    @app.task(name=FINISH, base=JobTask)
    def finish(job_id: str, version: int) -> None:  # noqa: ARG001 - read by JobTask
        finisher: Finisher = app.finisher
        finisher.finish(job_id)

    jobs = Ledger(patient_client(config.redis_url, outage_seconds=1))
    fate.watch(jobs, Recovery(jobs, app, config.job_ttl_seconds), fate.is_finishing)
    worker = app.Worker(
        hostname=f"finish-{os.getpid()}@{socket.gethostname()}",
        queues=[FINISH],
        concurrency=config.finish_concurrency,
        pool="prefork",
        quiet=True,
        loglevel=config.log_level,
        without_gossip=True,
        without_mingle=True,
    )

    def trouble() -> str:
        children = [process.pid for process in worker.pool._pool._pool] if worker.pool else []  # noqa: SLF001 - no public list
        return "" if any(map(readiness.exists, children)) else "there is no child"

    exporter.serve(config, "finish", trouble)
    Deafness(patient_client(config.redis_url, outage_seconds=0), FINISH).start_with_the_worker()
    worker.start()
    raise SystemExit(worker.exitcode or 0)


if __name__ == "__main__":
    main()
