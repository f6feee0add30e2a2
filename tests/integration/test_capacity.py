"""The worst case of Redis's memory against what a real server takes, and the warning at the start."""

import uuid

import pytest
import structlog

from shared import ledger
from shared.capacity import ALLOCATOR, PNG_BYTES_PER_PIXEL, RECORD_BYTES, worst_case
from shared.images import store_images
from shared.jobs import Job, JobStatus

JOBS = 300
SIZES = (256, 512, 1024)


def used(client):
    return client.info("memory")["used_memory"]


def largest_job():
    return Job(
        id=str(uuid.uuid4()),
        status=JobStatus.QUEUED,
        prompt="\U0001f98a" * 500,
        sizes=tuple(range(2033, 2049)),
        seed=2**32 - 1,
        owner="f" * 64,
        request_id="r" * 128,
    )


def test_a_record_is_no_larger_than_is_reckoned(ledger_, client):
    before, jobs = used(client), [largest_job() for _ in range(JOBS)]
    for number, job in enumerate(jobs):
        key = f"{number:0>255}"
        create = ledger.create(
            job, max_queue=JOBS, max_own=JOBS, idempotency_key=key, fingerprint="f" * 64, deadline_seconds=9
        )
        assert ledger_.run(create).outcome == "created"
    queued = (used(client) - before) / JOBS
    for job in jobs:
        ledger_.run(ledger.cancel(job.id, ttl_seconds=3600))
    ended = (used(client) - before) / JOBS
    assert RECORD_BYTES / 2 < queued <= RECORD_BYTES
    assert ended <= RECORD_BYTES


def test_images_are_no_larger_than_is_reckoned(client):
    before = used(client)
    images = {size: "A" * round(size * size * PNG_BYTES_PER_PIXEL) for size in SIZES}
    for _ in range(5):
        store_images(client, str(uuid.uuid4()), 1, images, 60)
    reckoned = sum(size * size for size in SIZES) * PNG_BYTES_PER_PIXEL * ALLOCATOR
    assert reckoned / 2 < (used(client) - before) / 5 <= reckoned


def test_the_default_settings_fit_the_default_memory():
    needed = worst_case(max_queue_length=1000, jobs_per_hour=240, result_ttl_seconds=3600, job_ttl_seconds=86400)
    assert 1.5 * 2**30 < needed.total < 2 * 2**30
    assert needed.images == 240 * round(sum(size * size for size in SIZES) * 4 * 1.25)


@pytest.mark.parametrize(("maxmemory", "events"), [(0, ["redis.unbounded"]), (2**30, ["redis.small"]), (2**31, [])])
async def test_the_start_warns_of_a_server_that_may_run_full(serve, client, maxmemory, events):
    client.config_set("maxmemory", maxmemory)
    with structlog.testing.capture_logs() as logs:
        async with serve():
            pass
    assert [entry["event"] for entry in logs if entry["event"].startswith("redis.")] == events
