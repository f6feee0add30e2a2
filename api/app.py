"""The factory of the FastAPI application: builds the services, installs the routers and the middleware."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from typing import TYPE_CHECKING

from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import Depends, FastAPI

from api import errors, multipart, openai_errors, openapi, pages, replicate_errors
from api.access_log import AccessLog, is_sane_request_id
from api.auth import Keys, probable_caller
from api.body_limit import BodyLimit
from api.bounds import Bound
from api.callers import ForwardedAddress
from api.compression import Compression
from api.cors import Cors
from api.deps import Services
from api.following import Following
from api.forecasting import Forecasts
from api.held_calls import HeldCalls
from api.loop_lag import LoopLag
from api.memory_check import warn_of_small_memory
from api.methods import Methods
from api.metrics import HttpMetrics
from api.open_files import AcceptFailures, most_held_calls
from api.openapi_errors import errors_of
from api.overload import Overload
from api.quick_routes import Failed, QuickRoutes
from api.rate_limit import RateLimit, limit_submits
from api.refusals import Refusals
from api.routes import events, health, images, jobs, logo, metrics, openai, predictions, styles, usage, watch
from api.safety import open_filter, say_what_is_off
from api.submission import Submission
from api.turns import TakeTurns, Turns
from api.waiting import Waiting
from api.watching import Watching
from api.worker_metrics import Shown, folder
from shared.addresses import is_loopback
from shared.connection import bulk_client, prompt_client
from shared.errors import TooManyBytes, TooManyWaits
from shared.ledger.run import AsyncLedger
from shared.observability import tracing
from shared.observability.logging import get_logger
from shared.queue import make_celery
from shared.results.opening import open_reader
from shared.settings import VERSION
from shared.styles.file import read as read_styles
from shared.styles.known import Styles
from shared.tenants import Tenants

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from api.settings import ApiSettings

MAX_BODY_BYTES = 64 * 1024
# OpenAI's prompts of 32,000 characters, each of which may be an escaped pair of surrogates.
MAX_PROMPT_BYTES = 512 * 1024
log = get_logger(__name__)


def create_app(settings: ApiSettings) -> FastAPI:
    client, bulk = prompt_client(settings.redis_url), bulk_client(settings.redis_url)
    ledger = AsyncLedger(client)
    waiting = Waiting(settings.redis_url, ledger)
    forecasts = Forecasts(ledger)
    calls = HeldCalls(ledger, settings.rejoin_seconds)
    celery = make_celery(settings.redis_url, prompt=True)
    http = HttpMetrics()
    tenants = Tenants(settings.keys_file)
    keys = Keys(settings.api_keys, settings.api_keys_file, tenants)
    lag = LoopLag(settings.max_loop_lag_seconds)
    known_styles = Styles(read_styles(settings.styles_file) if settings.styles_file else ())
    turns = Turns()
    holding = Bound("calls", most_held_calls(settings.max_held_calls), settings.max_held_calls_per_key, TooManyWaits)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if not keys.needed and not is_loopback(settings.host):
            # Critical, so that every LOG_LEVEL shows it.
            log.critical("api.open", hint="anyone who reaches this port can submit jobs; set API_KEYS to require a key")
        say_what_is_off(settings)
        asyncio.get_running_loop().set_exception_handler(AcceptFailures())
        await warn_of_small_memory(client, settings)
        async with waiting.running(), calls.running():
            with lag.running(), shown.running():
                yield
        await forecasts.close()
        tracing.shutdown()
        await client.aclose()
        await bulk.aclose()
        celery.close()

    app = FastAPI(
        title="Logo generator",
        version=VERSION,
        description="Text in, logo out. Submit a job, poll or long-wait, get base64 PNGs.",
        lifespan=lifespan,
        openapi_tags=openapi.TAGS,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=errors_of("internal_error"),
        generate_unique_id_function=lambda route: route.name,  # generated clients name their functions by it
        # shared/observability/tracing.py does it, without the queries of signed URLs.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.root_path = settings.root_path  # FastAPI's own argument warns
    tracing.configure(settings.otel_exporter_otlp_endpoint, "api")
    app.state.keys, app.state.operator_keys = keys, Keys(settings.operator_keys)
    app.state.open_to_any_page = not keys.needed and "*" in settings.cors_origins
    app.state.lag = lag
    app.state.rate_limit = RateLimit(settings.rate_limit, client, tenants)
    results = open_reader(client, bulk, settings)
    app.state.services = Services(
        settings=settings,
        client=client,
        ledger=ledger,
        waiting=waiting,
        submission=Submission(
            ledger,
            celery,
            forecasts,
            results,
            known_styles,
            tenants,
            lag,
            max_queue_length=settings.max_queue_length,
            max_queued_per_key=settings.max_queued_per_key,
            max_queued_high_per_key=settings.max_queued_high_per_key,
            max_created_per_key_per_minute=settings.max_created_per_key_per_minute,
            max_input_bytes=settings.max_input_bytes,
            images_in_redis=settings.images_in_redis,
            prompt_filter=open_filter(settings),
        ),
        following=Following(waiting, ledger, settings.max_streams_per_key),
        http=http,
        forecasts=forecasts,
        results=results,
        calls=calls,
        holding=holding,
        sending=Bound(
            "bytes of images",
            settings.max_image_bytes_in_flight,
            settings.max_image_bytes_in_flight_per_key,
            TooManyBytes,
        ),
        lag=lag,
        watching=Watching(ledger, client, waiting, lag),
        styles=known_styles,
        turns=turns,
        tenants=tenants,
    )
    _install_routes(app, settings)
    shown = Shown(
        (definition.gauge(http.registry, together), read)
        for definition, together, read in (metrics.own_gauges(app.state.services) if folder() else ())
    )
    # The middleware added last runs first: the client's address; the request id; CORS, so that a page can read the
    # access log's 500 and 503; the refusals of a late process; the access log, which carries the id; the turns of each
    # caller; HEAD and OPTIONS; the bound on bodies; compression; the quick routes.
    app.add_middleware(QuickRoutes)
    app.add_middleware(Compression)
    app.add_middleware(
        BodyLimit,
        max_bytes=MAX_BODY_BYTES,
        longer={"/v1/images/generations": MAX_PROMPT_BYTES},
        forms={
            "/api/jobs": multipart.MAX_BODY_BYTES,
            "/v1/images/edits": multipart.MAX_BODY_BYTES + MAX_PROMPT_BYTES,
            "/v1/images/variations": multipart.MAX_BODY_BYTES + MAX_PROMPT_BYTES,
        },
    )
    app.add_middleware(Methods)
    refusals = Refusals(lag, functools.partial(probable_caller, keys), http.count_refusal)
    app.add_middleware(TakeTurns, turns=turns, refusals=refusals)
    app.add_middleware(AccessLog, observe=http.observe)
    app.add_middleware(Overload, refusals=refusals, held=lambda: holding.total + turns.waiting)
    app.add_middleware(
        Cors,
        open_to_any_page=app.state.open_to_any_page,
        allow_origins=settings.cors_origins,
        allow_methods=["GET", "HEAD", "POST", "DELETE"],
        allow_headers=["*"],
        expose_headers=[
            "X-Request-ID",
            "Location",
            "Retry-After",
            "ETag",
            "Idempotent-Replayed",
            "Preference-Applied",
            "Accept-Ranges",
            "Content-Range",
            "X-Quota-Remaining",
        ],
    )
    app.add_middleware(
        CorrelationIdMiddleware, header_name="X-Request-ID", validator=is_sane_request_id, update_request_header=True
    )
    app.add_middleware(ForwardedAddress, trusted=settings.trusted_proxies)
    # Added last and thus outermost, so that all other middleware runs inside the request's span.
    tracing.instrument(app)
    return app


def _install_routes(app: FastAPI, settings: ApiSettings) -> None:
    errors.install(app)
    openai_errors.install(app)
    replicate_errors.install(app)
    openapi.complete(app)
    pages.install(app, settings)
    # These routers have no POST to limit, and limit_submits would demand an API key from the holder of a signed URL and
    # for the pictures of styles. That of predictions limits its submits itself, and is before OpenAI's, one of whose
    # paths has its paths too.
    for module in (health, metrics, images, styles, predictions, usage, watch):
        app.include_router(module.router)
    for module in (logo, jobs, events, openai):
        app.include_router(module.router, dependencies=[Depends(limit_submits)])
    app.router.routes.insert(0, Failed())
    app.webhooks.post("job.ended", operation_id="job_ended")(openapi.job_ended)
