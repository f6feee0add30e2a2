from __future__ import annotations

import base64
import contextlib
import functools
import io
import re

import httpx
import pytest
from PIL import Image

from api import loop_lag
from api.app import create_app
from api.settings import ApiSettings
from shared.jobs import JobStatus
from shared.ledger import moves
from shared.queue import make_celery
from shared.results import places
from shared.results.opening import open_results
from shared.results.places import image_name
from worker.settings import WorkerSettings


def png(size):
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), "teal").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


# Headers of HTTP itself and of middleware, which the page does not list.
OF_HTTP = {"content-type", "content-length", "content-encoding", "vary", "connection"}


@functools.cache
def documented():
    """[(method, pattern of the path, answers by status)] of the OpenAPI page."""
    return [
        (method.upper(), re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), call["responses"])
        for path, calls in create_app(ApiSettings(_env_file=None)).openapi()["paths"].items()
        for method, call in calls.items()
    ]


async def hold_to_the_page(response):
    """Checks that an answer is as the OpenAPI page has it for this call: its status, an error's code, its headers."""
    request, status = response.request, str(response.status_code)
    for method, path, answers in documented():
        if method != request.method or not path.fullmatch(request.url.path):
            continue
        name = f"{method} {request.url.path}: {status}"
        assert status in answers, name
        headers = {header for header in response.headers if not header.startswith("access-control-")}
        undocumented = headers - OF_HTTP - {header.lower() for header in answers[status]["headers"]}
        assert not undocumented, f"{name} {undocumented}"
        if response.is_error and request.url.path != "/health":
            await response.aread()
            body = response.json()
            code = body["error"]["code"] if "error" in body else body["title"]
            assert code in answers[status]["content"]["application/json"]["examples"], f"{name} {code}"


@pytest.fixture
def celery_app(valkey):
    app = make_celery(valkey.url)
    yield app
    app.close()


@pytest.fixture
def chosen_store():
    """The settings of the store that keeps images; a module's own fixture of this name chooses others."""
    return {}


@pytest.fixture
def results(ledger, chosen_store):
    return open_results(ledger.client, WorkerSettings(_env_file=None, **chosen_store))


@pytest.fixture
def serve(valkey, chosen_store, monkeypatch):
    """The API in this process, on the real server; used as a context manager that yields its client."""
    # On a busy machine the loop is late: what is refused for that, or blamed on it, is tested by itself.
    monkeypatch.setattr(loop_lag, "LATE_SECONDS", 2.5)

    @contextlib.asynccontextmanager
    async def _serve(**settings):
        chosen = {"redis_url": valkey.url, "max_loop_lag_seconds": 60} | chosen_store | settings
        app = create_app(ApiSettings(_env_file=None, **chosen))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(
                transport=transport, base_url="http://t", event_hooks={"response": [hold_to_the_page]}
            ) as http,
        ):
            yield http

    return _serve


@pytest.fixture
def succeed(ledger, results):
    """Does the workers' part of a job, by the ledger's own moves."""

    def _succeed(job_id, **drawn):
        job = ledger.run(moves.claim(job_id, worker="w", delivery="d")).job
        ledger.run(moves.finish(job_id, job.attempt, width=8, height=8, model="test-model", **drawn))
        images = {image_name(size, i): png(size) for size in set(job.sizes) for i in range(job.num_images)}
        results.put(places.images(job_id, job.attempt), images, 3600)
        moved = ledger.run(moves.succeed(job_id, job.attempt, images_ttl_seconds=3600, ttl_seconds=3600))
        assert moved.job.status is JobStatus.SUCCEEDED

    return _succeed
