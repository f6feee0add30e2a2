"""`python -m worker.webhook.main`: a webhook worker. Threads, because it only waits for the servers of others."""

from __future__ import annotations

import os
import socket

from celery import signals

from shared import exporter, logging, settings, tracing
from shared.connection import patient_client
from shared.queue import OUTAGE_BUDGET_SECONDS, WEBHOOK, make_celery
from shared.scripts import Ledger
from worker.deafness import Deafness
from worker.settings import WorkerSettings
from worker.task import JobTask
from worker.webhook.sender import Sender


def main() -> None:
    config = settings.load(WorkerSettings)
    logging.configure(config.log_level, config.log_format, "webhook")
    # It forks no children.
    tracing.configure(config.otel_exporter_otlp_endpoint, "webhook")
    app = make_celery(config.redis_url)
    # A receiver is what keeps Celery from configuring the logging itself.
    signals.setup_logging.connect(lambda **_: None, weak=False)
    sender = Sender(Ledger(patient_client(config.redis_url, OUTAGE_BUDGET_SECONDS)), config)

    @app.task(name=WEBHOOK, base=JobTask)
    def deliver(job_id: str, version: int) -> None:  # noqa: ARG001 - read by JobTask
        sender.deliver(job_id)

    worker = app.Worker(
        hostname=f"webhook-{os.getpid()}@{socket.gethostname()}",
        queues=[WEBHOOK],
        concurrency=config.webhook_concurrency,
        pool="threads",
        quiet=True,
        loglevel=config.log_level,
        without_gossip=True,
        without_mingle=True,
    )
    # What it waits for are the servers of others: while the process lives, it works.
    exporter.serve(config, "webhook", str)
    Deafness(patient_client(config.redis_url, outage_seconds=0), WEBHOOK).start_with_the_worker()
    worker.start()
    raise SystemExit(worker.exitcode or 0)


if __name__ == "__main__":
    main()
