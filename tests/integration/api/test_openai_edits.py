"""OpenAI's edits and variations: a form with an image, of which the whole changes."""

import asyncio
import io

import pytest
from openai.types import ImagesResponse
from PIL import Image

from api.openai_shapes import OF_VARIATIONS, VariationsRequest
from shared.ledger import moves, reads
from shared.results import places
from shared.results.places import WHOLE
from shared.results.redis_store import RedisResults
from shared.schemas import UPLOADED

URL, VARIATIONS = "/v1/images/edits", "/v1/images/variations"
FIELDS = {"prompt": "the same, but bolder", "n": "1", "quality": "auto", "input_fidelity": "high"}


def picture(size=(64, 64), form="PNG"):
    buffer = io.BytesIO()
    Image.new("RGB", size, (220, 38, 38)).save(buffer, form)
    return ("logo", buffer.getvalue(), f"image/{form.lower()}")


@pytest.mark.parametrize(
    ("url", "name", "fields", "size", "strength", "prompt"),
    [
        (URL, "image", FIELDS, "1024x1024", 0.6, FIELDS["prompt"]),
        (URL, "image[]", FIELDS | {"size": "128x128", "strength": "0.3"}, "128x128", 0.3, FIELDS["prompt"]),
        (URL, "image", FIELDS | {"size": "1536x1024"}, "1536x1024", 0.6, FIELDS["prompt"]),
        # As OpenAI's client sends it.
        (VARIATIONS, "image", {"size": "512x512", "model": "dall-e-2", "user": "me"}, "512x512", 0.6, OF_VARIATIONS),
        (VARIATIONS, "image", {"prompt": "a red fox", "strength": "0.3"}, "1024x1024", 0.3, "a red fox"),
    ],
    ids=["edit", "edit of a list", "edit of a shape", "variation", "variation with a text"],
)
async def test_an_image_is_edited(serve, ledger, client, url, name, fields, size, strength, prompt):
    fields = fields | {"response_format": "b64_json"}
    async with serve() as http:
        call = asyncio.create_task(http.post(url, data=fields, files={name: picture()}))
        async with asyncio.timeout(30):
            while not (queued := ledger.run(reads.queued())):
                await asyncio.sleep(0.01)
        job = ledger.run(reads.job(queued[0])).job
        assert (job.strength, f"{job.largest.width}x{job.largest.height}", job.prompt) == (strength, size, prompt)
        assert RedisResults(client).get(places.input_image(job.id)).get(WHOLE)
        ledger.run(moves.claim(job.id, worker="w", delivery="d"))
        ledger.run(moves.finish(job.id, 1, width=8, height=8, model="m"))
        RedisResults(client).put(places.images(job.id, 1), {str(job.largest): "AAAA"}, 3600)
        ledger.run(moves.succeed(job.id, 1, images_ttl_seconds=3600, ttl_seconds=3600))
        answer = await call
    read = ImagesResponse.model_validate(answer.json(), strict=True)
    assert (answer.status_code, read.size, read.data[0].b64_json) == (200, size, "AAAA")


@pytest.mark.parametrize(
    ("asked", "as_url"),
    [
        ({}, True),
        ({"model": "dall-e-2"}, True),
        ({"model": "gpt-image-1"}, False),
        ({"response_format": "b64_json"}, False),
    ],
    ids=["nothing", "dall-e", "another model", "base64"],
)
def test_a_variation_comes_as_a_url_where_openais_does(asked, as_url):
    """Its client's example names no model, and reads the URL: OpenAI's only model for variations sends one."""
    request = VariationsRequest(image=UPLOADED + 64 * "0", **asked)
    assert request.wants_url(can_sign=True) is as_url
    assert not request.wants_url(can_sign=False)


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
@pytest.mark.parametrize("url", [URL, VARIATIONS], ids=["edits", "variations"])
async def test_what_is_refused_names_it(serve, ledger, client, url, fields, files, status, named):
    async with serve() as http:
        answer = await http.post(url, data=FIELDS | fields, files=files)
        assert (answer.status_code, answer.json()["error"]["type"]) == (status, "invalid_request_error")
        assert answer.json()["error"]["message"].startswith(named)
    assert ledger.run(reads.queued()) + client.keys("logo:input:*") == []
