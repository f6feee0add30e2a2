"""`python -m worker.webhook.main`: a webhook worker. It uses threads, because it mostly waits for other servers."""

from __future__ import annotations

import os
import socket

from shared.connection import patient_client
from shared.ledger.run import Ledger
from shared.observability import exporter, tracing
from shared.queue import OUTAGE_BUDGET_SECONDS, WEBHOOK, make_celery
from shared.tenants import Tenants
from worker import boot
from worker.settings import WebhookSettings
from worker.webhook.sender import Sender


def main() -> None:
    config = boot.configure(WebhookSettings, "webhook")
    # In this process, because a pool of threads forks no children.
    tracing.configure(config.otel_exporter_otlp_endpoint, "webhook")
    ledger = Ledger(patient_client(config.redis_url, OUTAGE_BUDGET_SECONDS))
    sender = Sender(ledger, config, tenants=Tenants(config.keys_file))
    plan = boot.WorkerPlan(
        queue=WEBHOOK,
        hostname=f"webhook-{os.getpid()}@{socket.gethostname()}",
        concurrency=config.webhook_concurrency,
        pool="threads",
    )
    # `str` reports no trouble: the worker mostly waits for other servers, and is healthy while its process lives.
    boot.run_worker(
        config,
        make_celery(config.redis_url),
        plan,
        lambda: sender.deliver,
        before_start=lambda _: exporter.serve(config, "webhook", str),
    )


if __name__ == "__main__":
    main()
