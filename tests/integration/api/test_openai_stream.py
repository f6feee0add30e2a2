"""Streamed calls of OpenAI's Images API: the events in raw form and as OpenAI's package reads them, errors, leaving."""

import asyncio
import base64
import json

import openai
import pytest

from shared.ledger import moves, reads
from shared.results import places
from shared.results.places import WHOLE
from shared.results.redis_store import RedisResults
from tests.integration.api.conftest import answer, send, until

URL = "/v1/images/generations"
BODY = {"prompt": "a red fox", "size": "128x128", "stream": True}


@pytest.fixture
def draw(ledger, succeed):
    """Does the workers' part of the queued job, with a preview after each of four steps."""

    async def _draw(job_id, *, seen):
        job = ledger.run(moves.claim(job_id, worker="v", delivery="d")).job
        for step in (1, 2, 3):
            place = places.preview(job_id, job.attempt)
            RedisResults(ledger.client).put(place, {WHOLE: b"JPEG %d" % step}, 60)
            ledger.run(moves.renew(job_id, job.attempt, step=step, steps=4))
            await until(lambda step=step: len(seen) >= step)
        ledger.run(moves.requeue(job_id, job.attempt))
        await asyncio.to_thread(succeed, job_id)

    return _draw


def openai_of(port):
    return openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="any", max_retries=0)


async def collect(port, seen, **ask):
    async with openai_of(port) as client:
        stream = await client.images.generate(prompt="a red fox", model="gpt-image-1", stream=True, **ask)
        async for event in stream:
            seen.append(event)


async def test_openais_client_gets_partial_images_and_the_image(listen, queued, draw):
    port, seen = await listen(previews=True), []
    call = asyncio.create_task(collect(port, seen, partial_images=3, size="128x128"))
    await until(queued)
    await draw(queued()[0], seen=seen)
    await call
    *partial, completed = seen
    assert [type(event).__name__ for event in seen] == ["ImageGenPartialImageEvent"] * 3 + ["ImageGenCompletedEvent"]
    assert [event.partial_image_index for event in partial] == [0, 1, 2]
    assert [base64.b64decode(event.b64_json) for event in partial] == [b"JPEG 1", b"JPEG 2", b"JPEG 3"]
    assert {(event.output_format, event.size) for event in partial} == {("jpeg", "128x128")}
    assert base64.b64decode(completed.b64_json).startswith(b"\x89PNG")
    assert (completed.output_format, completed.size, completed.usage.total_tokens) == ("png", "128x128", 0)
    for event in seen:
        assert type(event).model_validate(event.model_dump(), strict=True).model_extra == {}


@pytest.mark.parametrize("ask", [{}, {"partial_images": 0}, {"partial_images": 3}])
async def test_without_previews_only_the_images_come(listen, queued, succeed, ask):
    port, seen = await listen(), []
    call = asyncio.create_task(collect(port, seen, n=2, user="u", **ask))
    await until(queued)
    await asyncio.to_thread(succeed, queued()[0])
    await call
    assert [event.type for event in seen] == ["image_generation.completed"] * 2
    assert {event.safety_identifier for event in seen} == {"u"}


async def test_what_goes_wrong_is_an_error_of_the_stream_or_before_it(listen, queued, ledger):
    port = await listen(request_timeout=1, max_queue_length=1)
    with pytest.raises(openai.APIError, match="not ready within 1 s"):
        await collect(port, [])
    async with openai_of(port) as client:
        with pytest.raises(openai.RateLimitError) as caught:
            await client.images.generate(prompt="another", stream=True)
        assert caught.value.code == "queue_full"
    raw = asyncio.create_task(answer(port, URL, BODY | {"size": "auto"}))
    await asyncio.to_thread(ledger.run, moves.fail(queued()[0], code="poison", message="three workers", ttl_seconds=60))
    text = (await raw).text
    assert text.startswith("event: error\n")
    error = json.loads(text.partition("data: ")[2].partition("\n")[0])
    assert (error["type"], error["error"]["type"]) == ("error", "server_error")


async def test_who_leaves_a_stream_and_asks_again_gets_the_same_job(listen, queued, left, succeed, ledger):
    port = await listen()
    reader, writer = await send(port, URL, BODY)
    await reader.readuntil(b"\r\n\r\n")
    await until(queued)
    (job_id,) = queued()
    writer.transport.abort()
    await until(left)
    repeat = asyncio.create_task(answer(port, URL, BODY))
    await until(lambda: not left())
    assert queued() == [job_id]
    await asyncio.to_thread(succeed, job_id)
    assert (await repeat).text.count("event: image_generation.completed\n") == 1
    assert ledger.run(reads.queued()) == []
