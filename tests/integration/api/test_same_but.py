"""Jobs that start from an image: by multipart, or by the id of an own job; and what is refused."""

import asyncio
import io
import json

import pytest
from PIL import Image

from shared.ledger import keys, moves, reads
from shared.ledger.outlook import outlook
from shared.results import places
from shared.results.places import WHOLE
from shared.results.redis_store import RedisResults

PROMPT = {"prompt": "the same, but bolder"}


def picture(size=(64, 64), form="PNG", **options):
    buffer = io.BytesIO()
    Image.new("RGB", size, (220, 38, 38)).save(buffer, form, **options)
    return buffer.getvalue()


def file_of(data, media_type="image/png", name="logo.png"):
    return {"image": (name, data, media_type)}


def stored(client):
    """The images that jobs start from."""
    return client.keys("logo:input:*")


def input_of(client, job_id):
    return RedisResults(client).get(places.input_image(job_id)).get(WHOLE)


async def send(http, fields=(), data=None, **options):
    return await http.post("/api/jobs", data=PROMPT | dict(fields), files=file_of(data or picture()), **options)


async def test_a_form_becomes_a_job_with_its_image(serve, ledger, client):
    async with serve() as http:
        fields = {
            "strength": "0.25",
            "sizes": "[64, 128]",
            "formats": ["png", "webp"],
            "transparent": "true",
            "steps": "20",
        }
        made = await send(http, fields)
        assert (made.status_code, made.json()["strength"], made.json()["sizes"]) == (202, 0.25, [64, 128])
        job = ledger.run(reads.job(made.json()["id"])).job
        assert (job.prompt, job.strength, job.formats, job.transparent) == (
            PROMPT["prompt"],
            0.25,
            ("png", "webp"),
            True,
        )
        assert Image.open(io.BytesIO(input_of(client, job.id))).size == (64, 64)
        # A job may wait for a day.
        assert client.ttl(places.input_image(job.id).key) > 80_000
        assert ledger.run(outlook()).queued[0].shape.strength == 0.25


async def test_it_has_the_default_strength_and_its_images_shape(serve, ledger):
    async with serve() as http:
        wide = (await send(http, data=picture((300, 100)))).json()
        assert (wide["strength"], wide["width"], wide["height"]) == (0.6, 1776, 592)
        square = (await send(http, data=picture(form="JPEG"))).json()
        assert (square["sizes"], square["width"]) == ([256, 512, 1024], None)
        asked = (await send(http, {"aspect": "1:2"}, data=picture(form="WEBP"))).json()
        assert (asked["width"], asked["height"]) == (720, 1440)


@pytest.mark.parametrize("end", ["canceled", "failed", "succeeded", "forgotten"])
async def test_it_is_gone_with_the_jobs_end_and_not_before(serve, ledger, client, end):
    async with serve() as http:
        job_id = (await send(http)).json()["id"]
        if end == "forgotten":
            await http.delete(f"/api/jobs/{job_id}?forget=true")
        elif end == "canceled":
            await http.delete(f"/api/jobs/{job_id}")
        else:
            ledger.run(moves.claim(job_id, worker="w", delivery="d"))
            ledger.run(moves.requeue(job_id, 1))
            ledger.run(moves.claim(job_id, worker="w", delivery="e"))
            assert input_of(client, job_id)
            if end == "failed":
                ledger.run(moves.fail(job_id, code="poison", message="m", ttl_seconds=60))
            else:
                ledger.run(moves.finish(job_id, 2, width=8, height=8, model="m"))
                ledger.run(moves.succeed(job_id, 2, images_ttl_seconds=60, ttl_seconds=60))
    assert stored(client) == []


async def test_an_own_job_is_what_it_starts_from(serve, ledger, client, succeed):
    async with serve() as http:
        body = {"prompt": "a red fox", "sizes": [64, 128], "num_images": 2}
        first = (await http.post("/api/jobs", json=body)).json()["id"]
        early = await http.post("/api/jobs", json=PROMPT | {"image": first})
        assert (early.status_code, early.json()["error"]["code"]) == (409, "job_not_successful")
        await asyncio.to_thread(succeed, first)
        made = (await http.post("/api/jobs", json=PROMPT | {"image": first, "image_number": 2, "strength": 0})).json()
        assert (made["strength"], made["sizes"]) == (0, [64, 128])
        assert Image.open(io.BytesIO(input_of(client, made["id"]))).size == (128, 128)
        absent = await http.post("/api/jobs", json=PROMPT | {"image": first, "image_number": 3})
        assert (absent.status_code, absent.json()["error"]["code"]) == (404, "image_not_found")
        client.unlink(places.images(first, 1).key)
        gone = await http.post("/api/jobs", json=PROMPT | {"image": first})
        assert (gone.status_code, gone.json()["error"]["code"]) == (410, "images_expired")
    assert len(stored(client)) == 1


async def test_another_keys_job_is_unknown(serve, succeed):
    async with serve(api_keys=("a", "b")) as http:
        first = (
            await http.post("/api/jobs", json={"prompt": "a fox", "sizes": [64]}, headers={"X-API-Key": "a"})
        ).json()
        await asyncio.to_thread(succeed, first["id"])
        ask = PROMPT | {"image": first["id"]}
        other = await http.post("/api/jobs", json=ask, headers={"X-API-Key": "b"})
        assert (other.status_code, other.json()["error"]["code"]) == (404, "job_not_found")
        assert other.json()["error"]["message"].startswith("image: ")
        assert (await http.post("/api/jobs", json=ask, headers={"X-API-Key": "a"})).status_code == 202


async def test_a_repeat_is_the_same_job_and_another_image_another_request(serve, client):
    async with serve() as http:
        key = {"Idempotency-Key": "k"}
        first = await send(http, headers=key)
        again = await send(http, headers=key)
        assert (again.json()["id"], again.headers["Idempotent-Replayed"]) == (first.json()["id"], "true")
        other = await send(http, data=picture((65, 64)), headers=key)
        assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_conflict")
    assert stored(client) == [places.input_image(first.json()["id"]).key.encode()]


async def test_of_a_job_that_is_refused_nothing_stays(serve, client):
    async with serve(max_queue_length=1) as http:
        await send(http)
        full = await send(http)
        assert (full.status_code, full.json()["error"]["code"]) == (429, "queue_full")
    assert len(stored(client)) == 1


LARGE = b"\x89PNG\r\n\x1a\n" + bytes(8 * 2**20)


@pytest.mark.parametrize(
    ("fields", "file", "status", "named"),
    [
        ({"strength": "1.5"}, (picture(), "image/png"), 422, "strength: "),
        ({"strength": "much"}, (picture(), "image/png"), 422, "strength: "),
        ({"image_number": "2"}, (picture(), "image/png"), 422, "image_number: only with an image that is a job's id"),
        ({"strength": "0.5"}, None, 422, "image: missing, or cut short"),
        ({"colour": "red"}, (picture(), "image/png"), 422, "colour: "),
        ({"aspect": "3:1", "width": "512", "height": "512"}, (picture(), "image/png"), 422, "aspect: not with width"),
        ({}, (b"nothing", "image/png"), 422, "image: is no PNG, JPEG or WebP"),
        ({}, (b"", "image/png"), 422, "image: is empty"),
        ({}, (picture()[:60], "image/png"), 422, "image: "),
        ({}, (picture(form="GIF"), "image/gif"), 415, "image: must be image/png"),
        ({}, (LARGE, "image/png"), 413, "image: more than 8388608 bytes"),
        ({}, (LARGE + bytes(2**17), "image/png"), 413, "body: more than "),
        ({"prompt": ["a fox", "a cat"]}, (picture(), "image/png"), 422, "prompt: "),
    ],
    ids=[
        *("strong", "word", "number", "alone", "unknown", "two-shapes", "none", "empty", "cut", "gif", "large"),
        *("larger", "twice"),
    ],
)
async def test_what_is_refused_names_the_field_and_leaves_nothing(serve, client, fields, file, status, named):
    async with serve() as http:
        # Without a file, a form still.
        files = {"image": ("logo", *file)} if file else {"prompt": (None, PROMPT["prompt"])}
        refused = await http.post("/api/jobs", data=(PROMPT if file else {}) | fields, files=files)
        assert refused.status_code == status
        assert refused.json()["error"]["message"].startswith(named)
    assert client.keys("logo:job:*") + stored(client) == []


@pytest.mark.parametrize(
    ("image", "status"),
    [("fox", 422), (7, 422), ("3f0c2d0e-6a5b-4f53-8d43-6f3a2f9f8f10", 404), ("sha256:" + "0" * 64, 422)],
)
async def test_what_is_no_own_job_is_refused(serve, image, status):
    async with serve() as http:
        refused = await http.post("/api/jobs", json=PROMPT | {"image": image})
        assert (refused.status_code, refused.json()["error"]["message"].startswith("image: ")) == (status, True)


async def test_a_body_that_is_no_form_and_one_that_is_cut_are_refused(serve, client):
    async with serve() as http:
        for content in (
            b"",
            b"--x\r\nno form",
            b"--x\r\nContent-Disposition: form-data; name=image; filename=a\r\n\r\nhalf",
        ):
            headers = {"Content-Type": "multipart/form-data; boundary=x"}
            assert (await http.post("/api/jobs", content=content, headers=headers)).status_code == 422
        none = await http.post("/api/jobs", content=b"x", headers={"Content-Type": "multipart/form-data"})
        assert none.status_code == 422
        two = [("image", ("a", picture(), "image/png")), ("image", ("b", picture(), "image/png"))]
        assert (await http.post("/api/jobs", data=PROMPT, files=two)).status_code == 422
    assert client.keys("logo:job:*") + stored(client) == []


async def test_a_key_is_asked_for_before_the_image(serve):
    async with serve(api_keys=("a",)) as http:
        assert (await send(http)).status_code == 401
        assert (await send(http, headers={"X-API-Key": "a"})).status_code == 202


async def test_a_record_without_an_image_is_as_it_was(serve, client):
    async with serve() as http:
        job_id = (await http.post("/api/jobs", json={"prompt": "a fox", "sizes": [64]})).json()["id"]
    assert not {b"strength", b"canvas"} & client.hgetall(keys.job(job_id)).keys()
    assert json.loads(client.hget(keys.job(job_id), "sizes")) == [64]


@pytest.mark.parametrize("end", ["cancel", "expired record"])
async def test_the_images_of_waiting_jobs_are_bounded(serve, client, end):
    """A key may have half of the bound; a job that ends, or is gone, makes room. What needs no image is accepted."""
    large = picture((2048, 2048))
    stored_bytes = len(input_of(client, (await _first(serve, large))["id"]))
    client.flushall()
    bound = round(stored_bytes * 5)
    keys_of = {name: {"X-API-Key": f"the-key-of-{name}"} for name in ("greedy", "other", "third")}
    names = tuple(key["X-API-Key"] for key in keys_of.values())
    async with serve(api_keys=names, max_input_bytes=32 * 2**20) as http:
        http._transport.app.state.services.submission._max_input_bytes = bound
        made = [(await send(http, data=large, headers=keys_of["greedy"])) for _ in range(3)]
        assert [answer.status_code for answer in made] == [202, 202, 429]
        error = made[2].json()["error"]
        assert error["code"] == "too_many_queued"
        assert error["message"].startswith(
            f"image: those of this key's jobs that have not ended take {2 * stored_bytes}"
        )
        assert f"the bound is {bound // 2}" in error["message"]
        assert int(made[2].headers["Retry-After"]) >= 1
        for name in ("other", "other", "third"):
            assert (await send(http, data=large, headers=keys_of[name])).status_code == 202
        refused = await send(http, data=large, headers=keys_of["third"])
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "no_room")
        assert refused.json()["error"]["message"].startswith("image: those of jobs that have not ended take")
        assert len(stored(client)) == client.scard(keys.INPUTS) == 5
        assert (await http.post("/api/jobs", json=PROMPT, headers=keys_of["greedy"])).status_code == 202
        job = made[0].json()
        if end == "cancel":
            assert (await http.delete(job["urls"]["cancel"], headers=keys_of["greedy"])).is_success
        else:
            client.delete(keys.job(job["id"]), places.input_image(job["id"]).key)
        assert (await send(http, data=large, headers=keys_of["third"])).status_code == 202
        assert client.scard(keys.INPUTS) == 5


async def _first(serve, data):
    async with serve() as http:
        return (await send(http, data=data)).json()
