"""OpenAI's Images API: refused requests, in its error shape. Complete drawings are in the acceptance tests."""

import asyncio
import functools

import pytest
import structlog
from openai.types import ImagesResponse
from redis.exceptions import ConnectionError as RedisConnectionError

from shared import workers
from shared.ledger import reads
from shared.workers import WorkerInfo

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
        assert set(body) == {"created", "data", "background", "output_format", "quality", "size", "usage"}
        assert (body["size"], list(body["data"][0])) == ("128x128", ["b64_json"])
        read = ImagesResponse.model_validate(body, strict=True)
        assert (read.usage.total_tokens, read.usage.input_tokens_details.text_tokens) == (0, 0)
        assert (read.quality, read.model_extra) == ("high", {})


@pytest.mark.parametrize(
    "asked",
    [
        *({"quality": value} for value in ("auto", "low", "medium", "high", "xhigh", "max", "standard", "hd")),
        {"style": "vivid", "moderation": "low", "complexity": "high", "background": "auto"},
        {"output_compression": 0, "partial_images": 0, "stream": False, "user": "u"},
        {"partial_images": 3},
        dict.fromkeys(
            (
                *("n", "size", "response_format", "output_format", "output_compression", "background", "quality"),
                *("style", "complexity", "moderation", "stream", "partial_images", "model", "user"),
                "safety_identifier",
            )
        ),
    ],
)
async def test_what_has_no_effect_is_taken(serve, ledger, asked):
    async with serve(request_timeout=1) as http:
        answer = await http.post(URL, json={"prompt": "a red fox"} | asked)
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "still_running")
    assert len(ledger.run(reads.queued())) == 1


@pytest.mark.parametrize(
    ("settings", "model", "kind"),
    [
        ({}, "dall-e-3", "url"),
        ({"url_signing_keys": ("s" * 32,), "api_keys": ("k",)}, "dall-e-2", "url"),
        ({"api_keys": ("k",)}, "dall-e-3", "b64_json"),
        ({}, "gpt-image-1", "b64_json"),
    ],
)
async def test_dall_e_gets_a_url_as_it_does_from_openai(serve, ledger, succeed, settings, model, kind):
    async with serve(**settings) as http:
        ask, headers = BODY | {"model": model}, {"Authorization": "Bearer k"}
        answer = await generated(http, ledger, succeed, ask, headers=headers | {"Idempotency-Key": "k"})
        assert list(answer.json()["data"][0]) == [kind]
        named = await http.post(
            URL, json=ask | {"response_format": "b64_json"}, headers=headers | {"Idempotency-Key": "k"}
        )
        assert list(named.json()["data"][0]) == ["b64_json"]


@pytest.mark.parametrize("prompt", ["a red fox jumps " * 2000, "狐" * 32_000, "\U0001f98a" * 32_000])
async def test_a_long_prompt_is_cut_and_the_answer_says_so(serve, ledger, succeed, prompt):
    async with serve() as http:
        answer = await generated(http, ledger, succeed, BODY | {"prompt": prompt, "n": 2})
        (job,) = (await http.get("/api/jobs")).json()["jobs"]
        revised = {image["revised_prompt"] for image in answer.json()["data"]}
        assert revised == {job["prompt"]}
        assert prompt.startswith(job["prompt"])
        assert 400 < len(job["prompt"]) <= 500
        assert job["prompt"][-4:] in ("jump", "umps", " fox", " red", "ps a", "狐" * 4, "\U0001f98a" * 4)
        beyond = await http.post(URL, json=BODY | {"prompt": "x" * 32_001})
        assert (beyond.status_code, beyond.json()["error"]["param"]) == (400, "prompt")


@pytest.mark.parametrize("more", [{}, {"response_format": "url"}])
async def test_of_a_prompt_that_the_model_cut_the_answer_has_what_was_drawn(serve, ledger, succeed, more):
    prompt = "a red fox, сидит на холме"
    async with serve() as http:
        for characters, expected in ((12, prompt[:12]), (100, None), (None, None)):
            cut = functools.partial(succeed, prompt_characters=characters)
            answer = await generated(http, ledger, cut, BODY | {"prompt": prompt} | more)
            assert answer.json()["data"][0].get("revised_prompt") == expected
        (job, *_) = (await http.get("/api/jobs")).json()["jobs"]
        assert job["prompt"] == prompt


async def test_the_models(serve):
    async with serve(api_keys=("k",)) as http:
        assert (await http.get("/v1/models")).json()["error"]["code"] == "invalid_api_key"
        http.headers["Authorization"] = "Bearer k"
        listed = (await http.get("/v1/models")).json()
        assert listed["object"] == "list"
        names = [model["id"] for model in listed["data"]]
        assert {"gpt-image-1", "dall-e-3"} <= set(names)
        for name in names:
            assert (await http.get(f"/v1/models/{name}")).json()["id"] == name
        error = (await http.get("/v1/models/gpt-5")).json()["error"]
        assert (error["code"], error["type"]) == ("model_not_found", "invalid_request_error")


async def test_the_model_of_the_workers_is_one_of_them(serve, client):
    name = "black-forest-labs/FLUX.1-dev"
    workers.publish(client, WorkerInfo("w", ready=True, model=name, device_type="cpu", device_name="cpu"))
    async with serve() as http:
        listed = (await http.get("/v1/models")).json()["data"]
        assert listed[0]["id"] == name
        assert (await http.get(f"/v1/models/{name}")).json() == listed[0]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/audio/speech", 404),
        ("GET", "/v1/chat/completions", 404),
        ("GET", URL, 405),
    ],
)
async def test_what_is_not_here_is_said_in_openais_shape(serve, method, path, status):
    async with serve() as http:
        answer = await http.request(method, path)
        error = answer.json()["error"]
        assert (answer.status_code, error["type"], error["code"]) == (status, "invalid_request_error", "unknown_url")
        assert error["message"].startswith(f"{method} {path} is not supported: this server has POST {URL}")
        assert answer.headers.get("Allow") == ("POST, OPTIONS" if status == 405 else None)


async def test_a_base_url_that_ends_in_a_slash(serve, ledger, succeed):
    async with serve() as http:
        call = asyncio.create_task(http.post("/v1//images/generations", json=BODY))
        await until(lambda: ledger.run(reads.queued()))
        await asyncio.to_thread(succeed, ledger.run(reads.queued())[0])
        assert (await call).status_code == 200


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
        ({"size": "1024x128"}, "size"),
        ({"size": "4096x2048"}, "size"),
        ({"size": "32x32"}, "size"),
        ({"size": "big"}, "size"),
        ({"prompt": "ab"}, "prompt"),
        ({"response_format": "svg"}, "response_format"),
        ({"output_format": "gif"}, "output_format"),
        ({"background": "white"}, "background"),
        ({"background": "transparent", "output_format": "jpeg"}, "background"),
        ({"quality": "best"}, "quality"),
        ({"output_compression": 101}, "output_compression"),
        ({"stream": "often"}, "stream"),
        ({"partial_images": 4}, "partial_images"),
        ({"style": "manga"}, "style"),
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
        answer = await http.post(URL, json=BODY | {"user": "x" * 600_000})
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
