"""The API over images that are not in Redis: what clients get, what it costs Redis, and a store that is away."""

import asyncio
import base64
import io

import httpx
import pytest
from PIL import Image

from api.capacity import worst_case
from api.settings import ApiSettings
from shared.ledger import moves
from shared.results import places
from shared.results.objects import Objects
from shared.results.store import StoreAway

BODY = {"prompt": "a secret leaf", "sizes": [64, 128]}
OUTSIDE = pytest.mark.parametrize("store_settings", ["file", "s3"], indirect=True)


@pytest.fixture
def chosen_store(store_settings):
    return store_settings


async def drawn(http, succeed, **body):
    job_id = (await http.post("/api/jobs", json=BODY | body)).json()["id"]
    await asyncio.to_thread(succeed, job_id)
    return job_id


def edge(encoded):
    return Image.open(io.BytesIO(base64.b64decode(encoded))).width


async def test_every_call_answers_with_images(serve, succeed):
    async with serve() as http:
        job_id = await drawn(http, succeed)
        job = (await http.get(f"/api/jobs/{job_id}")).json()
        assert {size: edge(data) for size, data in job["images"].items()} == {"64": 64, "128": 128}
        calls = [
            http.post("/api/generate_logo", json=BODY),
            http.post("/v1/images/generations", json={"prompt": "a leaf", "size": "128x128"}),
        ]
        calls = [asyncio.create_task(call) for call in calls]
        while len(held := http._transport.app.state.services.waiting._waiters) < 2:
            await asyncio.sleep(0)
        for waiting in list(held):
            await asyncio.to_thread(succeed, waiting)
        app, openai = [(await call).json() for call in calls]
        assert {size: edge(data) for size, data in app["images"].items()} == {"64": 64, "128": 128}
        assert edge(openai["data"][0]["b64_json"]) == 128


@OUTSIDE
async def test_nothing_is_left_of_a_forgotten_job(serve, succeed, ledger, results, client):
    async with serve() as http:
        job_id = (await http.post("/api/jobs", json=BODY)).json()["id"]
        # A lost attempt may have stored its images before its lease was given away.
        lost = ledger.run(moves.claim(job_id, worker="w", delivery="lost")).job.attempt
        results.put(places.images(job_id, lost), {"64": "AAAA"}, 60)
        ledger.run(moves.requeue(job_id, lost))
        succeed(job_id)
        assert (await http.delete(f"/api/jobs/{job_id}?forget=true")).status_code == 200
        assert (await http.get(f"/api/jobs/{job_id}")).status_code == 404
        assert client.keys("logo:images:*") == []
        found = [item["path"] for page in results._objects._store.list() for item in page]
        assert found == []


@OUTSIDE
async def test_a_store_that_is_away(serve, succeed, monkeypatch, store_settings):
    async with serve() as http:
        job_id = await drawn(http, succeed)
        url = f"/api/jobs/{job_id}"
        health = (await http.get("/health")).json()
        kind = store_settings["result_store"].partition(":")[0]
        assert health["result_store"] == {"kind": kind, "reachable": True}
        objects = http._transport.app.state.services.results._objects

        def away(*_, **__):
            raise StoreAway("away")

        with monkeypatch.context() as broken:
            for name in ("read_range", "delete_within"):
                broken.setattr(Objects, name, away)
            broken.setattr(Objects, "_look", lambda _: asyncio.sleep(0, result=False))
            objects._looked_at = float("-inf")
            for path in (url, f"{url}/images/64.png"):
                refused = await http.get(path)
                assert (refused.status_code, refused.json()["error"]["code"]) == (503, "service_unavailable")
                assert "image store" in refused.json()["error"]["message"]
            assert (await http.get(url, params={"include": "none"})).status_code == 200
            # It is asked for the images first: what cannot be deleted now can be asked for again.
            assert (await http.delete(f"{url}?forget=true")).status_code == 503
            health = await http.get("/health")
            assert (health.status_code, health.json()["result_store"]["reachable"]) == (200, False)
            assert "logo_result_store_up 0.0" in (await http.get("/metrics")).text
            assert (await http.post("/api/jobs", json=BODY)).status_code == 202
        objects._looked_at = float("-inf")
        assert "logo_result_store_up 1.0" in (await http.get("/metrics")).text
        assert (await http.delete(f"{url}?forget=true")).status_code == 200
        assert (await http.get(url)).status_code == 404


async def test_a_get_is_sent_on_to_a_store_that_serves(serve, succeed, store_settings):
    """By a URL of its own, where the operator has it so; a folder and Redis serve nobody."""
    async with serve(result_redirects=True, url_signing_keys=("k" * 32,)) as http:
        job_id = await drawn(http, succeed)
        signed = (await http.get(f"/api/jobs/{job_id}", params={"include": "none"})).json()["urls"]["images"]["64"]
        answer = await http.get(signed)
        head = await http.head(signed)
        assert (head.status_code, head.headers["Content-Type"]) == (200, "image/png")
        if "aws_endpoint_url" not in store_settings:
            assert answer.status_code == 200
            return
        assert (answer.status_code, answer.headers["Cache-Control"]) == (307, "no-store")
        assert (await http.get(signed, headers={"If-None-Match": head.headers["ETag"]})).status_code == 304
        async with httpx.AsyncClient() as other:
            image = await other.get(answer.headers["Location"])
            part = await other.get(answer.headers["Location"], headers={"Range": "bytes=1-3"})
            changed = await other.get(answer.headers["Location"].replace("64.png", "128.png"))
        assert (image.headers["Content-Type"], len(image.content)) == ("image/png", int(head.headers["Content-Length"]))
        assert Image.open(io.BytesIO(image.content)).width == 64
        assert (part.status_code, part.content) == (206, b"PNG")
        assert changed.content != image.content


@OUTSIDE
async def test_a_job_needs_room_for_its_pixels_only(serve, client):
    """What is reserved for it, and what Redis may need in the worst case."""
    async with serve() as http:
        job_id = (await http.post("/api/jobs", json={"prompt": "a leaf", "sizes": [2048], "num_images": 4})).json()[
            "id"
        ]
    pixels, images = client.hmget(f"logo:job:{job_id}", "pixels_room", "images_room")
    assert int(pixels) > 4 * 2048**2 * 3
    assert int(images) == 0


def test_redis_needs_a_fifth_of_its_memory():
    plan = {"max_queue_length": 1000, "jobs_per_hour": 20, "result_ttl_seconds": 3600, "job_ttl_seconds": 86400}
    plan["max_input_bytes"] = ApiSettings(_env_file=None).max_input_bytes
    inside, outside = (worst_case(**plan, images_in_redis=where).total for where in (True, False))
    assert outside < inside / 5
    # Days instead of an hour cost indexes alone.
    week = worst_case(**plan | {"result_ttl_seconds": 7 * 86400}, images_in_redis=False)
    assert week.images - worst_case(**plan, images_in_redis=False).images < 200 * 2**20
