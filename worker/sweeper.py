"""`python -m worker.sweeper`: every two seconds, looks after what nobody else would notice: lost leases, jobs without a
message, passed deadlines and due webhooks. Any number may run; only the holder of a lock in Redis sweeps.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
import uuid
from typing import TYPE_CHECKING

from kombu.exceptions import OperationalError

from shared import redis_state, settings
from shared.connection import UNAVAILABLE, is_full, patient_client
from shared.ledger.leadership import lead
from shared.ledger.moves import LEASE_SECONDS
from shared.ledger.run import Ledger
from shared.observability import exporter, logging, metrics, tracing
from shared.queue import make_celery
from shared.results import opening
from shared.results.opening import open_results
from worker.expiry import Expiry
from worker.outpacing import Outpacing
from worker.rewriting import Rewriting
from worker.settings import WorkerSettings
from worker.sweeping import Sweeper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

log = logging.get_logger(__name__)
SWEEP_SECONDS = 2.0
LOCK_SECONDS = 10.0
LOOK_SECONDS = 60.0  # between two looks at the server's settings, which somebody may change
# A longer wait counts as an outage even if Redis answers in the end: meanwhile holders could not renew their leases.
ANSWER_SECONDS = 3.0
# Celery raises an error of its own when it cannot publish.
OUTAGE = (*UNAVAILABLE, OperationalError)
# Without an answer from Redis a turn of the loop takes up to a minute.
STUCK_SECONDS = 120.0


class Watch:
    """When the loop last began a turn, and when it last swept; for /health and /metrics."""

    def __init__(self) -> None:
        self.turned_at = time.monotonic()
        self.leads = False
        self.swept_at = 0.0  # seconds since the epoch

    def trouble(self) -> str:
        silent = time.monotonic() - self.turned_at
        return f"no turn of the loop for {silent:.0f} s" if silent > STUCK_SECONDS else ""

    def collect(self) -> Iterator[Metric]:
        yield metrics.SWEEPER_LEADS.family([((), self.leads)])
        yield metrics.SWEEPER_LAST.family([((), self.swept_at)])


def run(config: WorkerSettings) -> None:
    watch = Watch()
    exporter.serve(config, "sweeper", watch.trouble, watch.collect)
    # No retries, so that the loop sees each outage: in it, leases run out because holders cannot renew them.
    ledger = Ledger(patient_client(config.redis_url, outage_seconds=0, answer_seconds=ANSWER_SECONDS))
    results = open_results(ledger.client, config)
    celery = make_celery(config.redis_url)
    # In another store, images take no room of Redis.
    evict = config.evict_images_when_full and config.images_in_redis
    sweeper = Sweeper(ledger, results, celery, config.job_ttl_seconds, evict_images=evict)
    expiry = Expiry(results, config.result_ttl_seconds)
    outpacing = Outpacing(ledger.client, config.planned_jobs_per_hour)
    rewriting = Rewriting(ledger.client)
    dangers, looked_at = redis_state.Watch(ledger.client), float("-inf")
    name = str(uuid.uuid4())
    trusted_from = time.monotonic() + LEASE_SECONDS
    try:
        while True:
            watch.turned_at = time.monotonic()
            try:
                if time.monotonic() - looked_at >= LOOK_SECONDS:
                    # Before the lead, which a replica refuses.
                    dangers.look()
                    looked_at = time.monotonic()
                led, watch.leads = watch.leads, ledger.run(lead(name, LOCK_SECONDS))
                if watch.leads != led:
                    log.info("sweeper.leads" if watch.leads else "sweeper.lost_lead")
                if watch.leads:
                    sweeper.sweep(leases=time.monotonic() >= trusted_from)
                    watch.swept_at = time.time()
                    outpacing.look()
                    expiry.look()
                    rewriting.look()
            except OUTAGE as error:
                log.warning("sweeper.redis_unavailable", error=repr(error))
                # A full Redis still lets holders renew their leases.
                if not is_full(error):
                    trusted_from = time.monotonic() + LEASE_SECONDS
            except Exception:
                log.exception("sweeper.failed")
            time.sleep(SWEEP_SECONDS)
    finally:
        # Give the lead up, so that the next sweeper need not wait for the lock to expire.
        with contextlib.suppress(*UNAVAILABLE):
            ledger.run(lead(name, 0))


def main() -> None:
    config = settings.load(WorkerSettings)
    logging.configure(config.log_level, config.log_format, "sweeper")
    redis_state.refuse_cluster(config.redis_url)
    opening.check(config)
    tracing.configure(config.otel_exporter_otlp_endpoint, "sweeper")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    run(config)


if __name__ == "__main__":
    main()
