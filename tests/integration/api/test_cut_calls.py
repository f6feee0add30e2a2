"""Held calls whose connection is cut, on real sockets: their repeats, over one API process and over two."""

import asyncio

import httpx
import pytest

from shared.ledger import reads
from shared.ledger.keys import CALLS
from tests.integration.api.conftest import answer, send, until
from worker.sweeping import Sweeper

LOGO = ("/api/generate_logo", {"prompt": "a red fox", "sizes": [64]})
IMAGES = ("/v1/images/generations", {"prompt": "a red fox", "size": "64x64"})
URLS = ("/v1/images/generations", {"prompt": "a red fox", "size": "64x64", "response_format": "url"})
CALL_KINDS = pytest.mark.parametrize(("path", "body"), [LOGO, IMAGES, URLS], ids=["app", "base64", "url"])


@CALL_KINDS
@pytest.mark.parametrize("processes", [1, 2])
async def test_the_repeat_of_a_call_that_was_cut_joins_its_job(
    listen, queued, left, succeed, client, path, body, processes
):
    ports = [await listen() for _ in range(processes)]
    _, writer = await send(ports[0], path, body)
    await until(queued)
    (job_id,) = queued()
    writer.transport.abort()
    await until(left)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports[-1]}", timeout=20) as http:
        repeat = asyncio.create_task(http.post(path, json=body))
        await until(lambda: not left())
        assert queued() == [job_id]
        await asyncio.to_thread(succeed, job_id)
        assert (await repeat).status_code == 200
        # The caller has it now, and asks for another one over the same connection.
        await until(lambda: not client.zcard(CALLS))
        again = asyncio.create_task(http.post(path, json=body))
        await until(queued)
        await asyncio.to_thread(succeed, queued()[0])
        assert (await again).json() != (await repeat).json() or "url" not in path


@CALL_KINDS
async def test_a_repeat_at_once_joins_too(listen, queued, succeed, path, body):
    port = await listen()
    _, writer = await send(port, path, body)
    await until(queued)
    (job_id,) = queued()
    writer.transport.abort()
    repeat = asyncio.create_task(answer(port, path, body))
    await asyncio.to_thread(succeed, job_id)
    assert (await repeat).status_code == 200
    assert queued() == []


@CALL_KINDS
async def test_an_answer_that_was_cut_is_given_again(listen, queued, left, succeed, path, body):
    port = await listen()
    reader, writer = await send(port, path, body)
    await until(queued)
    (job_id,) = queued()
    await asyncio.to_thread(succeed, job_id)
    await reader.readuntil(b"\r\n\r\n")
    assert await reader.read(10)
    writer.transport.abort()
    await until(left)
    assert (await answer(port, path, body)).status_code == 200
    assert queued() == []


@CALL_KINDS
async def test_two_drawings_of_one_prompt_at_the_same_time_are_two(listen, queued, succeed, path, body):
    ports = [await listen(), await listen()]
    calls = [asyncio.create_task(answer(port, path, body)) for port in ports]
    await until(lambda: len(queued()) == 2)
    for job_id in queued():
        await asyncio.to_thread(succeed, job_id)
    assert [(await call).status_code for call in calls] == [200, 200]


async def test_only_the_same_request_of_the_same_caller_joins(listen, queued, left, succeed):
    port = await listen(api_keys=("alice", "bob"))
    path, body = LOGO
    _, writer = await send(port, path, body, key="alice")
    await until(queued)
    writer.transport.abort()
    await until(left)
    asked = [
        asyncio.create_task(answer(port, *call, authorization=f"Bearer {key}"))
        for call, key in (
            ((path, body), "bob"),
            ((path, body | {"sizes": [128]}), "alice"),
            (IMAGES, "alice"),
            ((path, body | {"prompt": " a red fox "}), "alice"),
        )
    ]
    await until(lambda: len(queued()) == 4 and not left())
    for queued_id in queued():
        await asyncio.to_thread(succeed, queued_id)
    assert [(await call).status_code for call in asked] == [200] * 4
    assert (await asked[-1]).json()["prompt"] == "a red fox"


async def test_a_call_that_timed_out_is_joined_and_its_job_goes_on(listen, queued, client):
    ports = [await listen(request_timeout=1), await listen(request_timeout=2)]
    first, second = [await answer(port, *LOGO) for port in ports]
    assert (first.status_code, second.status_code) == (504, 504)
    assert first.json()["error"]["details"] == second.json()["error"]["details"]
    assert (len(queued()), client.zcard(CALLS)) == (1, 0)


async def test_a_job_that_nobody_asks_for_again_is_canceled(listen, queued, left, ledger, celery_app, client):
    port = await listen()
    _, writer = await send(port, *LOGO)
    await until(queued)
    (job_id,) = queued()
    writer.transport.abort()
    await until(left)
    sweeper = Sweeper(ledger, None, celery_app, 60, evict_images=False)
    sweeper.cancel_abandoned()
    assert queued() == [job_id]
    client.zadd(CALLS, {job_id: 1, "without a record": 1})
    sweeper.cancel_abandoned()
    assert ledger.run(reads.job(job_id)).job.status == "canceled"
    metrics = (await answer_get(port, "/metrics")).text
    assert "logo_jobs_abandoned_total 1.0" in metrics
    assert 'status="499"' in metrics
    assert not client.zcard(CALLS)


async def answer_get(port, path):
    async with httpx.AsyncClient() as http:
        return await http.get(f"http://127.0.0.1:{port}{path}")


@pytest.mark.parametrize(("settings", "key"), [({"rejoin_seconds": 0}, ""), ({}, "k")])
async def test_without_the_setting_or_with_a_key_the_job_of_a_call_that_was_cut_goes_on(
    listen, queued, client, settings, key
):
    port = await listen(**settings)
    path, body = IMAGES
    call = httpx.AsyncClient(timeout=20)
    headers = {"Idempotency-Key": key} if key else {}
    cut = asyncio.create_task(call.post(f"http://127.0.0.1:{port}{path}", json=body, headers=headers))
    await until(queued)
    cut.cancel()
    await call.aclose()
    await until(lambda: client.zcard(CALLS) == 0)
    again = asyncio.create_task(answer(port, path, body, **({"idempotency-key": key} if key else {})))
    await until(lambda: len(queued()) == (1 if key else 2))
    again.cancel()
    await asyncio.wait([again, cut])


async def test_where_calls_were_cut_lately_an_answer_is_given_again_for_seconds(listen, queued, left, succeed):
    port = await listen()
    path, body = LOGO
    _, writer = await send(port, path, body | {"prompt": "an owl"})
    await until(queued)
    writer.transport.abort()
    await until(left)
    first = asyncio.create_task(answer(port, path, body))
    await until(lambda: len(queued()) == 2)
    for job_id in queued():
        await asyncio.to_thread(succeed, job_id)
    assert (await first).status_code == 200
    # Over a new connection it is a repeat; over the same one, the first answer has arrived.
    async with httpx.AsyncClient(timeout=20) as http:
        url = f"http://127.0.0.1:{port}{path}"
        assert (await http.post(url, json=body)).json() == (await first).json()
        second = asyncio.create_task(http.post(url, json=body))
        await until(queued)
        await asyncio.to_thread(succeed, queued()[0])
        assert (await second).status_code == 200
