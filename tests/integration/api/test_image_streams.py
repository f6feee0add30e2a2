"""Answers with images: read in chunks, side by side, within bounds, and from the layout of an earlier version."""

import asyncio
import base64
import random

import pytest

from shared.ledger import moves
from shared.results import places
from shared.results.opening import open_results
from shared.results.redis_images import image_key
from shared.results.redis_store import RedisResults
from shared.results.store import CHUNK_LENGTH
from worker.settings import WorkerSettings

BODY = {"prompt": "a red fox", "sizes": [64, 128]}
DATA = random.Random(7).randbytes(700_001)  # several chunks, and padding in the base64
ENCODED = base64.b64encode(DATA)
SMALL = b"iVBORw0KGgo="


@pytest.fixture
def store(ledger, results):
    """Makes a submitted job succeed with these images."""

    def _store(job_id, images, put=None):
        ledger.run(moves.claim(job_id, worker="w", delivery="d"))
        ledger.run(moves.finish(job_id, 1, width=8, height=8, model="m"))
        (put or results.put)(places.images(job_id, 1), images, 3600)
        ledger.run(moves.succeed(job_id, 1, images_ttl_seconds=3600, ttl_seconds=3600))

    return _store


@pytest.fixture
def put_as_before(client):
    """As earlier versions stored images: a hash."""
    return lambda place, images, _: client.hset(place.key, mapping=images)


@pytest.fixture
def put_in(request, put_as_before, client, tmp_path):
    """The API's settings for a layout, and how a worker puts images into it."""

    def _put_in(layout):
        if layout == "hash":
            return {}, put_as_before
        settings = {"file": {"result_store": f"file://{tmp_path}/results"}}.get(layout, {})
        if layout == "s3":
            settings = request.getfixturevalue("s3").settings("/logos")
        return settings, open_results(client, WorkerSettings(_env_file=None, **settings)).put

    return _put_in


async def drawn(http, store, images=None, **options):
    job_id = (await http.post("/api/jobs", json=BODY)).json()["id"]
    store(job_id, images or {"64": SMALL, "128": ENCODED}, **options)
    return f"/api/jobs/{job_id}"


async def test_thirty_callers_get_an_8_mb_job_at_once(serve, store):
    large = "A" * 8_000_000
    async with serve() as http:
        url = await drawn(http, store, {"64": large, "128": SMALL})
        answers = await asyncio.gather(*(http.get(url) for _ in range(30)))
        assert [answer.status_code for answer in answers] == [200] * 30
        assert all(answer.json()["images"] == {"64": large, "128": SMALL.decode()} for answer in answers)


@pytest.mark.parametrize("layout", ["strings", "hash", "file", "s3"])
async def test_every_range_is_a_part_of_the_whole(serve, store, put_in, layout):
    """The ranges begin and end at each place within four characters of base64, at both sides of a chunk's end."""
    settings, put = put_in(layout)
    async with serve(**settings) as http:
        url = await drawn(http, store, put=put)
        assert (await http.get(url)).json()["images"] == {"64": SMALL.decode(), "128": ENCODED.decode()}
        image = f"{url}/images/128.png"
        whole = await http.get(image)
        assert whole.content == DATA
        assert whole.headers["Content-Length"] == str(len(DATA))
        edge = CHUNK_LENGTH // 4 * 3
        for start in (*range(4), *range(edge - 2, edge + 3), len(DATA) - 1):
            for stop in (start + 1, start + 2, start + 3, start + edge, len(DATA)):
                part = await http.get(image, headers={"Range": f"bytes={start}-{stop - 1}"})
                assert (part.status_code, part.content) == (206, DATA[start:stop])
        known = await http.get(image, headers={"If-None-Match": whole.headers["ETag"]})
        assert (known.status_code, known.content) == (304, b"")


async def test_the_app_and_openai_clients_get_images_of_many_chunks(serve, store):
    async with serve() as http:
        app = asyncio.create_task(http.post("/api/generate_logo", json=BODY))
        openai = asyncio.create_task(
            http.post("/v1/images/generations", json={"prompt": "a red fox", "size": "128x128"})
        )
        while len(held := http._transport.app.state.services.waiting._waiters) < 2:
            await asyncio.sleep(0)
        for job_id in list(held):
            await asyncio.to_thread(store, job_id, {"64": SMALL, "128": ENCODED})
        assert (await app).json()["images"] == {"64": SMALL.decode(), "128": ENCODED.decode()}
        assert (await openai).json()["data"] == [{"b64_json": ENCODED.decode()}]


async def test_an_image_that_expires_just_then_is_a_410(serve, store, client):
    async with serve() as http:
        url = await drawn(http, store)
        client.delete(image_key(places.images(url.rpartition("/")[2], 1), "128"))
        gone = await http.get(f"{url}/images/128.png")
        assert (gone.status_code, gone.json()["error"]["code"]) == (410, "images_expired")
        assert (await http.get(f"{url}/images/64.png")).status_code == 200


@pytest.mark.parametrize(
    ("settings", "status", "code"),
    [
        ({"max_image_bytes_in_flight_per_key": 1_000_000}, 429, "too_many_bytes"),
        ({"max_image_bytes_in_flight": 1_000_000}, 503, "overloaded"),
    ],
)
async def test_more_bytes_than_may_be_in_flight_are_refused_before_any_is_read(
    serve, store, monkeypatch, settings, status, code
):
    async with serve(**settings) as http:
        url = await drawn(http, store)
        services = http._transport.app.state.services
        getrange, goes_on = services.results._bulk.getrange, asyncio.Event()
        reads = 0

        async def held_back(*arguments):
            nonlocal reads
            reads += 1
            await goes_on.wait()
            return await getrange(*arguments)

        monkeypatch.setattr(services.results._bulk, "getrange", held_back)
        first = asyncio.create_task(http.get(f"{url}/images/128.png"))
        while not reads:
            await asyncio.sleep(0)
        assert f"logo_images_in_flight_bytes {float(len(DATA))}" in (await http.get("/metrics")).text
        for path in (url, f"{url}/images/128.png"):
            refused = await http.get(path)
            assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
            assert int(refused.headers["Retry-After"]) > 0
        # What has no images, or fits, is answered.
        assert (await http.get(url, params={"include": "none"})).status_code == 200
        assert reads == 1
        goes_on.set()
        assert (await first).content == DATA
        assert services.sending.total == 0
        assert (await http.get(url)).status_code == 200


async def test_small_calls_do_not_wait_for_the_reads_of_images(serve, store, monkeypatch):
    """All connections for images are taken, and nothing arrives on them."""
    async with serve() as http:
        url = await drawn(http, store)
        pool = http._transport.app.state.services.results._bulk.connection_pool
        taken = [await pool.get_connection() for _ in range(pool.max_connections)]
        waits = asyncio.create_task(http.get(url))
        for _ in range(5):
            assert (await http.post("/api/jobs", json=BODY)).status_code == 202
            assert (await http.get(url, params={"include": "none"})).status_code == 200
        assert not waits.done()
        for connection in taken:
            await pool.release(connection)
        assert (await waits).status_code == 200


def test_images_are_stored_all_or_none_with_one_expiry_and_dropped_whole(client):
    results, place = RedisResults(client), places.images("job", 1)
    results.put(place, {"64": "old", "128": "old"}, 60)
    results.put(place, {"64": "image"}, 3600)
    assert results.get(place) == {"64": b"image"}
    assert all(0 < client.ttl(key) <= 3600 for key in (place.key, image_key(place, "64")))
    results.drop(place)
    assert not results.exists(place)
    assert not client.exists(image_key(place, "64"))


def test_images_of_an_earlier_version_are_read_dropped_and_replaced(client, put_as_before):
    results, place = RedisResults(client), places.images("job", 1)
    put_as_before(place, {"64": "old"}, 60)
    assert results.get(place) == {"64": b"old"}
    results.put(place, {"64": "new"}, 60)
    assert results.get(place) == {"64": b"new"}
    put_as_before(places.images("job", 2), {"64": "old"}, 60)
    results.drop(places.images("job", 2))
    assert not client.exists(places.images("job", 2).key)
