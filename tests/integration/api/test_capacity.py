"""The worst case of Redis's memory against what a real server takes, and the warning at the start."""

import uuid
from dataclasses import replace

import pytest
import structlog

from api.capacity import ALLOCATOR, FILES_BYTES, PNG_BYTES_PER_PIXEL, RECORD_BYTES
from api.memory_check import capacity
from api.settings import ApiSettings
from shared.jobs import Job, JobFile, JobStatus
from shared.ledger import moves, room
from shared.results import places
from shared.results.redis_store import RedisResults
from shared.schemas import JobRequest

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
        webhook_url="https://h/" + "w" * (2048 - 10),
        traceparent=f"00-{'a' * 32}-{'b' * 16}-01",
    )


def test_a_record_is_no_larger_than_is_reckoned(ledger, client):
    before, jobs = used(client), [largest_job() for _ in range(JOBS)]
    for number, job in enumerate(jobs):
        key = f"{number:0>255}"
        create = moves.create(
            job, max_queue=JOBS, max_own=JOBS, idempotency_key=key, fingerprint="f" * 64, deadline_seconds=9
        )
        assert ledger.run(create).outcome == "created"
    queued = (used(client) - before) / JOBS
    for job in jobs:
        ledger.run(moves.cancel(job.id, ttl_seconds=3600))
    ended = (used(client) - before) / JOBS
    assert RECORD_BYTES / 2 < queued <= RECORD_BYTES
    assert ended <= RECORD_BYTES


def test_the_list_of_files_is_no_larger_than_is_reckoned(ledger, client):
    names = [f"{size}-4{end}" for size in range(2033, 2049) for end in ("-transparent.png", ".webp", ".jpeg", ".avif")]
    files = tuple(JobFile(name, name.rpartition(".")[2], 12_582_912, 2048, 2048) for name in names * 4)
    jobs = [largest_job() for _ in range(20)]
    for job in jobs:
        ledger.run(moves.create(job, max_queue=JOBS))
        ledger.run(moves.claim(job.id, worker="w", delivery=job.id))
        ledger.run(moves.finish(job.id, 1, width=2048, height=2048, model="m"))
    before = used(client)
    for job in jobs:
        ledger.run(moves.succeed(job.id, 1, images_ttl_seconds=60, ttl_seconds=60, files=files))
    assert FILES_BYTES / 2 < (used(client) - before) / len(jobs) <= FILES_BYTES


def test_a_jobs_files_have_their_room_and_count_as_pixels():
    plain = Job(id="j", status=JobStatus.QUEUED, prompt="p", sizes=(1024,), seed=1, num_images=2)
    asked = replace(plain, formats=("webp", "jpeg", "svg"), transparent=True, icons=True)
    # The opaque PNG, the transparent one, the WebP, which loses nothing, and half for the JPEG.
    pixels = 2 * (1024**2 * 7 // 2 + 2**16 + 1_000_000)
    assert (room.image_pixels(plain), room.image_pixels(asked)) == (2 * 1024**2, pixels)
    assert room.images_bytes(asked) == pixels * 4 * 1.25
    assert room.pixels_bytes(asked) == room.pixels_bytes(plain)


def test_images_are_no_larger_than_is_reckoned(client):
    before = used(client)
    images = {size: "A" * round(size * size * PNG_BYTES_PER_PIXEL) for size in SIZES}
    for _ in range(5):
        RedisResults(client).put(places.images(str(uuid.uuid4()), 1), images, 60)
    reckoned = sum(size * size for size in SIZES) * PNG_BYTES_PER_PIXEL * ALLOCATOR
    assert reckoned / 2 < (used(client) - before) / 5 <= reckoned


def test_the_default_settings_fit_the_default_memory():
    needed = capacity(ApiSettings(_env_file=None))
    assert 1.5 * 2**30 < needed.total < 2 * 2**30


def test_the_images_that_jobs_start_from_are_no_larger_than_is_reckoned(client):
    before, most = used(client), ApiSettings(_env_file=None).max_input_bytes
    piece = 5 * 2**20 + 1
    for number in range(most // piece):
        client.set(places.input_image(str(number)).key, b"A" * piece)
    reckoned = capacity(ApiSettings(_env_file=None)).inputs
    assert reckoned / 2 < used(client) - before <= reckoned


def test_every_job_counts_with_the_most_pixels_that_a_submit_may_ask_for():
    needed = capacity(ApiSettings(_env_file=None, planned_jobs_per_hour=100, result_ttl_seconds=1800)).images
    asked = [(sizes, n) for n in range(1, 9) for sizes in ([2048], [2048, 2047], range(2033, 2049), SIZES)]
    most = max(n * sum(size * size for size in sizes) for sizes, n in asked if accepted(list(sizes), n))
    assert needed == 100 * 0.5 * most * 4 * 1.25


def accepted(sizes, num_images):
    try:
        return JobRequest(prompt="a red fox", sizes=sizes, num_images=num_images)
    except ValueError:
        return None


@pytest.mark.parametrize(
    ("maxmemory", "jobs", "events"),
    [
        (0, 20, ["redis.unbounded"]),
        (2**30, 20, ["redis.small"]),
        (2**31, 20, []),
        (2**31, 60, ["redis.small"]),  # with the default sizes they would fit
    ],
)
async def test_the_start_warns_of_a_server_that_may_run_full(serve, client, maxmemory, jobs, events):
    client.config_set("maxmemory", maxmemory)
    with structlog.testing.capture_logs() as logs:
        async with serve(planned_jobs_per_hour=jobs):
            pass
    assert [entry["event"] for entry in logs if entry["event"].startswith("redis.")] == events
