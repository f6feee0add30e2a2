from __future__ import annotations

import base64
import contextlib
import io

import httpx
import pytest
from PIL import Image

from api.app import create_app
from api.settings import ApiSettings
from shared import ledger
from shared.images import image_name, store_images
from shared.jobs import JobStatus
from shared.queue import make_celery


def png(size):
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), "teal").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.fixture
def celery_app(valkey):
    app = make_celery(valkey.url)
    yield app
    app.close()


@pytest.fixture
def serve(valkey):
    """The API in this process, on the real server; used as a context manager that yields its client."""

    @contextlib.asynccontextmanager
    async def _serve(**settings):
        app = create_app(ApiSettings(_env_file=None, **{"redis_url": valkey.url} | settings))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://t") as http,
        ):
            yield http

    return _serve


@pytest.fixture
def succeed(ledger_):
    """Does the workers' part of a job by the ledger's own moves."""

    def _succeed(job_id):
        job = ledger_.run(ledger.claim(job_id, worker="w", delivery="d")).job
        ledger_.run(ledger.finish(job_id, job.attempt, width=8, height=8, model="test-model"))
        images = {image_name(size, i): png(size) for size in set(job.sizes) for i in range(job.num_images)}
        store_images(ledger_.client, job_id, job.attempt, images, 3600)
        moved = ledger_.run(ledger.succeed(job_id, job.attempt, images_expire_at=4102444800000, ttl_seconds=3600))
        assert moved.job.status is JobStatus.SUCCEEDED

    return _succeed
