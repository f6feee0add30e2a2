"""OpenAI's Images API: refused requests, in its error shape. Complete drawings are in the acceptance tests."""

import asyncio

import pytest
import structlog
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.ledger import reads

URL = "/v1/images/generations"
BODY = {"prompt": "a red fox", "size": "128x128"}


async def generated(http, ledger, succeed, body=BODY, **options):
    """Makes a call, succeeds its job meanwhile, and returns the answer."""
    call = asyncio.create_task(http.post(URL, json=body, **options))
    await until(lambda: ledger.run(reads.queued()))
    await asyncio.to_thread(succeed, ledger.run(reads.queued())[0])
    return await call


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_base64_and_its_surroundings(serve, ledger, succeed):
    async with serve() as http:
        body = (await generated(http, ledger, succeed)).json()
        assert set(body) == {"created", "data", "background", "output_format", "size"}
        assert (body["size"], list(body["data"][0])) == ("128x128", ["b64_json"])


@pytest.mark.parametrize("n", [2, 4])
async def test_n_images_are_the_variations_of_one_job(serve, ledger, succeed, n):
    async with serve(api_keys=("k",), url_signing_keys=("s" * 32,)) as http:
        headers = {"Authorization": "Bearer k", "Idempotency-Key": "one"}
        ask = BODY | {"n": n, "response_format": "url"}
        urls = [image["url"] for image in (await generated(http, ledger, succeed, ask, headers=headers)).json()["data"]]
        (job,) = (await http.get("/api/jobs", headers=headers)).json()["jobs"]
        assert [url.removeprefix("http://t") for url in urls] == [v["urls"]["128"] for v in job["variations"]]
        assert len(set(urls)) == n
        for url in urls:
            assert (await http.get(url)).content.startswith(b"\x89PNG")


async def test_a_url_that_needs_no_key(serve, ledger, succeed):
    async with serve(api_keys=("k",), url_signing_keys=("s" * 32,), public_url="http://t") as http:
        headers = {"Authorization": "Bearer k"}
        answer = await generated(http, ledger, succeed, BODY | {"response_format": "url"}, headers=headers)
        url = answer.json()["data"][0]["url"]
        assert url.startswith("http://t/api/jobs/")
        assert (await http.get(url)).content.startswith(b"\x89PNG")
    async with serve(api_keys=("k",)) as http:
        answer = await http.post(URL, json=BODY | {"response_format": "url"}, headers=headers)
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"n": 5}, "n"),
        ({"size": "1536x1024"}, "size"),
        ({"size": "32x32"}, "size"),
        ({"size": "big"}, "size"),
        ({"prompt": "ab"}, "prompt"),
        ({"response_format": "svg"}, "response_format"),
        ({"output_format": "webp"}, "output_format"),
        ({"background": "transparent"}, "background"),
        ({"quality": "hd"}, "quality"),
        ({"stream": True}, "stream"),
        ({"partial_images": 2}, "partial_images"),
        ({"style": "vivid"}, "style"),
    ],
)
async def test_what_is_not_built_is_refused_by_name(serve, change, param, ledger):
    async with serve() as http:
        answer = await http.post(URL, json=BODY | change)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert error["message"].startswith(f"{param}: ")
    assert ledger.run(reads.queued()) == []


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"\xf0n:\xdf\xa4", b"a red fox", b"", b"[]", b'"fox"'])
async def test_a_body_that_is_no_request_is_refused(serve, body):
    async with serve() as http:
        answer = await http.post(URL, content=body, headers={"Content-Type": "application/json"})
    error = answer.json()["error"]
    assert set(answer.json()) == {"error"}
    assert set(error) == {"message", "type", "param", "code"}
    refused = (answer.status_code, error["type"], error["code"])
    assert refused == (400, "invalid_request_error", "validation_error")
    assert (error["message"].startswith("body: "), error["param"] in (None, "body")) == (True, True)


@pytest.mark.parametrize(
    ("settings", "answered"),
    [
        ({"api_keys": ("k",)}, (401, "invalid_request_error", "invalid_api_key")),
        ({"max_queue_length": 1}, (429, "rate_limit_error", "queue_full")),
        ({"request_timeout": 1}, (504, "server_error", "still_running")),
        ({"redis_url": "redis://127.0.0.1:1/0"}, (503, "server_error", "service_unavailable")),
    ],
)
async def test_errors_have_openais_shape(serve, settings, answered):
    async with serve(**settings) as http:
        if "max_queue_length" in settings:
            await http.post("/api/jobs", json={"prompt": "a red fox"})
        answer = await http.post(URL, json=BODY)
        error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == answered
    # Once the submit has begun, a repeat without a key would make another job.
    assert answer.headers.get("X-Should-Retry") == ("false" if answer.status_code >= 500 else None)


class Broken(Exception):
    pass


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
@pytest.mark.parametrize(
    ("fault", "answered"),
    [
        ("restart", (503, "service_unavailable")),
        (RedisConnectionError, (503, "service_unavailable")),
        (Broken, (500, "internal_error")),
    ],
)
async def test_what_breaks_a_held_call_does_not_draw_it_twice(
    serve, ledger, succeed, monkeypatch, fault, answered, headers
):
    """OpenAI's client repeats a 5xx by itself, and only with a key the repeat is the same job."""
    async with serve() as http:
        if fault == "restart":
            call = asyncio.create_task(http.post(URL, json=BODY, headers=headers))
            await until(lambda: ledger.run(reads.queued()))
            http._transport.app.state.services.waiting.release()
            answer = await call
        else:

            async def away(*_):
                raise fault

            monkeypatch.setattr("api.routes.openai.find_images", away)
            with structlog.testing.capture_logs():  # formatting a traceback for the console takes long
                answer = await generated(http, ledger, succeed, headers=headers)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (*answered, "server_error")
    assert answer.headers.get("X-Should-Retry") == (None if headers else "false")


async def test_a_503_before_the_submit_may_be_repeated(serve, monkeypatch):
    async with serve(rate_limit="2/minute") as http:

        async def away(*_):
            raise RedisConnectionError

        monkeypatch.setattr(http._transport.app.state.rate_limit._limiter, "hit", away)
        answer = await http.post(URL, json=BODY)
    assert (answer.status_code, answer.headers.get("X-Should-Retry")) == (503, None)


async def test_a_body_that_is_too_large_is_refused_in_openais_shape(serve):
    async with serve() as http:
        answer = await http.post(URL, json=BODY | {"user": "x" * 70_000})
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == (413, "invalid_request_error", "body_too_large")


@pytest.mark.parametrize(("key", "retry"), [("", "false"), ("k", "false")])
async def test_a_canceled_job_is_not_repeated(serve, ledger, key, retry):
    async with serve() as http:
        call = asyncio.create_task(http.post(URL, json=BODY, headers={"Idempotency-Key": key} if key else {}))
        await until(lambda: ledger.run(reads.queued()))
        await http.delete(f"/api/jobs/{ledger.run(reads.queued())[0]}")
        answer = await call
        assert (answer.status_code, answer.headers["X-Should-Retry"]) == (409, retry)


async def test_a_repeat_under_its_key_is_the_same_job(serve, ledger, succeed):
    async with serve() as http:
        headers = {"Idempotency-Key": "k"}
        first = await generated(http, ledger, succeed, headers=headers)
        again = await http.post(URL, json=BODY, headers=headers)
        assert (again.json(), again.headers["Idempotent-Replayed"]) == (first.json(), "true")
        other = await http.post(URL, json=BODY | {"prompt": "another"}, headers=headers)
        assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_conflict")
