"""Delivers one job's webhook: builds the event, signs it by Standard Webhooks, posts it, and records the outcome."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpcore
from standardwebhooks import Webhook

from shared.addresses import check_webhook_url
from shared.errors import InvalidRequest
from shared.ledger import counters, reads, webhooks
from shared.ledger.webhook_places import Places
from shared.ledger.webhooks import RETRY_SECONDS, TRY_SECONDS
from shared.observability import tracing
from shared.observability.logging import get_logger
from shared.predictions import SHAPE, prediction_of
from shared.representation import view
from shared.results.signing import UrlSigner
from shared.schemas import WebhookEvent
from shared.tenants import Tenants
from worker.webhook.guard import AddressRefused, CheckedBackend, resolve

if TYPE_CHECKING:
    from shared.jobs import Job
    from shared.ledger.replies import Reading
    from shared.ledger.run import Ledger
    from worker.settings import WorkerSettings
    from worker.webhook.guard import Resolve

log = get_logger(__name__)
GONE = 410
# A receiver that cannot be reached takes a sender for this time, one that does not answer for TRY_SECONDS.
CONNECT_SECONDS = 3.0


class Sender:
    def __init__(
        self, ledger: Ledger, settings: WorkerSettings, resolve: Resolve = resolve, tenants: Tenants | None = None
    ) -> None:
        self._ledger = ledger
        self._settings = settings
        self._signer = UrlSigner(settings.url_signing_keys)
        self._resolve = resolve
        self._tenants = tenants or Tenants(None)
        # Not all, so that who does not answer leaves some to the others.
        self._places = max(1, settings.webhook_concurrency * 3 // 4)

    def deliver(self, job_id: str) -> None:
        """Makes one try, or postpones it while its host or its owner has as many on the way as it may."""
        reading = self._ledger.run(reads.job(job_id))
        if reading is None:
            log.info("webhook.skipped")
            return
        job = reading.job
        places = Places(urlsplit(job.webhook_url).hostname or "", job.owner)
        # Without keys there is one owner, for whom only the bound of each host holds.
        max_owner = self._places if job.owner else 0
        failures = self._settings.webhook_failures_per_minute
        take = places.take(job_id, max_host=self._places, max_owner=max_owner, max_failures=failures)
        if pause := self._ledger.run(take):
            self._ledger.run(webhooks.retry(job_id, pause))
            self._count("postponed")
            log.debug("webhook.postponed", seconds=pause)
            return
        answered, failed = None, False
        try:
            answered, failed = self._try(reading)
        finally:
            self._ledger.run(places.leave(job_id, answered=answered, failed=failed))

    def _try(self, reading: Reading) -> tuple[bool | None, bool]:
        """Makes one try; whether the host answered, None if it was not asked, and whether it was asked in vain.

        The outcome is recorded last: if the sender dies, the webhook is sent again, same id.
        """
        job_id = reading.job.id
        tries = self._ledger.run(webhooks.begin(job_id))
        if tries is None:
            log.info("webhook.skipped")
            return None, False
        with tracing.span("job.webhook", reading.job.traceparent, job_id=job_id, tries=tries):
            problem, again, answered = asyncio.run(self._post(reading))
        settle = webhooks.settle(job_id, ttl_seconds=self._kept_seconds(reading.job))
        if not problem:
            self._ledger.run(settle)
            self._count("delivered")
            log.info("webhook.delivered", tries=tries)
        elif again and tries <= len(RETRY_SECONDS):
            seconds = RETRY_SECONDS[tries - 1]
            self._ledger.run(webhooks.retry(job_id, seconds))
            self._count("failed")
            log.warning("webhook.failed", problem=problem, tries=tries, retry_seconds=seconds)
        else:
            self._ledger.run(settle)
            self._count("given_up")
            log.error("webhook.given_up", problem=problem, tries=tries)
        return answered, bool(problem) and answered is not None

    def _kept_seconds(self, job: Job) -> int:
        """As long as its images at least, as for a job without a webhook."""
        images = self._settings.images_kept_seconds(job)
        return max(job.job_ttl_seconds or self._settings.job_ttl_seconds, images)

    def _count(self, outcome: str) -> None:
        counters.count(self._ledger.client, counters.webhook(outcome))

    async def _post(self, reading: Reading) -> tuple[str, bool, bool | None]:
        """Posts the event. Returns the problem, empty if it was delivered, whether to try again, and whether the host
        answered (None: it was not asked).
        """
        job, settings = reading.job, self._settings
        body = self._event(reading)
        allowed = settings.webhook_allowed_networks
        try:
            # The settings may have changed since the submit.
            check_webhook_url(job.webhook_url, allow_http=settings.webhook_allow_http, allowed=allowed)
            async with asyncio.timeout(TRY_SECONDS):
                # No proxy and no redirects; of the answer only the status is read.
                async with (
                    httpcore.AsyncConnectionPool(network_backend=CheckedBackend(allowed, self._resolve)) as pool,
                    pool.stream(
                        "POST",
                        job.webhook_url,
                        headers=self._headers(job, body),
                        content=body,
                        extensions={"timeout": {"connect": CONNECT_SECONDS}},
                    ) as answer,
                ):
                    status = answer.status
        except (InvalidRequest, AddressRefused) as error:
            return str(error), False, None
        except TimeoutError:
            return f"no answer within {TRY_SECONDS:g} s", True, False
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
            return repr(error), True, False
        except Exception as error:
            # For example a name that cannot be encoded. It counts as a try, so that the tries end.
            log.exception("webhook.broken")
            return repr(error), True, None
        if 200 <= status < 300:  # noqa: PLR2004
            return "", False, True
        return f"answered {status}", status != GONE, True

    def _event(self, reading: Reading) -> bytes:
        job = reading.job
        if job.webhook_shape == SHAPE:
            return prediction_of(reading, self._signer.sign, self._settings.base_url).model_dump_json().encode()
        data = view(reading, None, self._signer.sign, base_url=self._settings.base_url)
        finished = datetime.fromtimestamp(job.finished_at / 1000, UTC)
        return WebhookEvent(type=f"job.{job.status}", timestamp=finished, data=data).model_dump_json().encode()

    def _headers(self, job: Job, body: bytes) -> list[tuple[str, str]]:
        now = datetime.now(UTC)
        # Each secret signs, so that receivers that know only the old or only the new one can verify.
        secrets = map(Webhook, self._tenants.webhook_secrets_of(job.owner, self._settings))
        signatures = [secret.sign(job.id, now, body.decode()) for secret in secrets]
        return [
            ("content-type", "application/json"),
            ("user-agent", "logo-generator"),
            ("webhook-id", job.id),
            ("webhook-timestamp", str(int(now.timestamp()))),
            ("webhook-signature", " ".join(signatures)),
        ]
