"""OpenAI's edits: a form with an image, of which the whole changes."""

import asyncio
import io

import pytest
from openai.types import ImagesResponse
from PIL import Image

from shared.ledger import moves, reads
from shared.results import places
from shared.results.places import WHOLE
from shared.results.redis_store import RedisResults

URL = "/v1/images/edits"
FIELDS = {"prompt": "the same, but bolder", "n": "1", "quality": "auto", "input_fidelity": "high"}


def picture(size=(64, 64), form="PNG"):
    buffer = io.BytesIO()
    Image.new("RGB", size, (220, 38, 38)).save(buffer, form)
    return ("logo", buffer.getvalue(), f"image/{form.lower()}")


@pytest.mark.parametrize(
    ("name", "fields", "size", "strength"),
    [
        ("image", {}, "1024x1024", 0.6),
        ("image[]", {"size": "128x128", "strength": "0.3"}, "128x128", 0.3),
        ("image", {"size": "1536x1024"}, "1536x1024", 0.6),
    ],
)
async def test_an_image_is_edited(serve, ledger, client, name, fields, size, strength):
    async with serve() as http:
        call = asyncio.create_task(http.post(URL, data=FIELDS | fields, files={name: picture()}))
        async with asyncio.timeout(30):
            while not (queued := ledger.run(reads.queued())):
                await asyncio.sleep(0.01)
        job = ledger.run(reads.job(queued[0])).job
        assert (job.strength, f"{job.largest.width}x{job.largest.height}") == (strength, size)
        assert RedisResults(client).get(places.input_image(job.id)).get(WHOLE)
        ledger.run(moves.claim(job.id, worker="w", delivery="d"))
        ledger.run(moves.finish(job.id, 1, width=8, height=8, model="m"))
        RedisResults(client).put(places.images(job.id, 1), {str(job.largest): "AAAA"}, 3600)
        ledger.run(moves.succeed(job.id, 1, images_ttl_seconds=3600, ttl_seconds=3600))
        answer = await call
    read = ImagesResponse.model_validate(answer.json(), strict=True)
    assert (answer.status_code, read.size, read.data[0].b64_json) == (200, size, "AAAA")


async def test_without_a_size_it_has_the_images_aspect(serve, ledger):
    async with serve(request_timeout=1) as http:
        await http.post(URL, data=FIELDS, files={"image": picture((300, 100), "JPEG")})
        assert ledger.run(reads.job(ledger.run(reads.queued())[0])).job.canvas == "1776x592"


@pytest.mark.parametrize(
    ("fields", "files", "status", "named"),
    [
        ({}, {"image": picture(), "mask": picture()}, 400, "mask: "),
        ({}, {"mask": picture()}, 400, "mask: "),
        ({}, {"image": ("a", b"none", "image/png")}, 400, "image: "),
        ({}, {"image": picture(form="GIF")}, 415, "image: "),
        ({"size": "1024x128"}, {"image": picture()}, 400, "size: "),
        ({"n": "9"}, {"image": picture()}, 400, "n: "),
        ({"input_fidelity": "some"}, {"image": picture()}, 400, "input_fidelity: "),
    ],
    ids=["mask", "mask-alone", "none", "gif", "size", "n", "fidelity"],
)
async def test_what_is_refused_names_it(serve, ledger, client, fields, files, status, named):
    async with serve() as http:
        answer = await http.post(URL, data=FIELDS | fields, files=files)
        assert (answer.status_code, answer.json()["error"]["type"]) == (status, "invalid_request_error")
        assert answer.json()["error"]["message"].startswith(named)
    assert ledger.run(reads.queued()) + client.keys("logo:input:*") == []
