"""HEAD, OPTIONS, a 405's methods and doubled slashes."""

import asyncio
import contextlib

import pytest

BODY = {"prompt": "a red fox", "sizes": [64]}


@pytest.fixture
def serve(serve):
    @contextlib.asynccontextmanager
    async def _serve(**settings):
        async with serve(**settings) as http:
            # Not ended before it has begun: redis-py leaves a connection open whose making is canceled.
            await http.get("/health")
            yield http

    return _serve


def of(answer, left_out=frozenset({"x-request-id"})):
    return [(name, value) for name, value in answer.headers.items() if name not in left_out]


@pytest.mark.parametrize(
    "path", ["/", "/health", "/health/live", "/health/ready", "/api/jobs", "/docs", "/openapi.json", "/metrics", "/no"]
)
async def test_head_answers_as_get_without_the_body(serve, path):
    async with serve() as http:
        for accept in ("*/*", "text/html"):
            headers = {"Accept": accept, "X-Request-ID": "one"}
            got, head = [await http.request(method, path, headers=headers) for method in ("GET", "HEAD")]
            assert (head.status_code, head.content) == (got.status_code, b"")
            changing = {"content-length"} if path == "/metrics" else set()  # it is that of the numbers
            assert of(head, changing) == of(got, changing)


async def test_head_of_a_job_and_its_image(serve, succeed):
    async with serve() as http:
        job = (await http.post("/api/jobs", json=BODY)).json()
        succeed(job["id"])
        image = f"/api/jobs/{job['id']}/images/64.png"
        for path in (job["urls"]["self"], image):
            got, head = await http.get(path), await http.head(path)
            assert (head.status_code, head.content) == (200, b"")
            assert of(head) == of(got)
        assert int(head.headers["Content-Length"]) == len(got.content)
        assert head.headers["ETag"]
        cached = await http.head(image, headers={"If-None-Match": head.headers["ETag"]})
        assert cached.status_code == 304
        line = 'logo_http_requests_total{method="HEAD",route="/api/jobs/{job_id}",status="200"} 1.0'
        assert line in (await http.get("/metrics")).text


async def test_head_of_a_stream_opens_none(serve):
    async with serve(max_streams_per_key=1) as http, asyncio.timeout(10):
        job = (await http.post("/api/jobs", json=BODY)).json()
        for _ in range(3):  # each gives the only place back
            head = await http.head(job["urls"]["events"])
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["Content-Type"].startswith("text/event-stream")
        assert http._transport.app.state.services.waiting.count == 0


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/health/live", "GET, HEAD, OPTIONS"),
        ("/docs", "GET, HEAD, OPTIONS"),
        ("/api/jobs", "GET, HEAD, POST, OPTIONS"),
        ("/api/jobs/3f0c2d0e-6a5b-4f53-8d43-6f3a2f9f8f10", "GET, HEAD, DELETE, OPTIONS"),
        ("/api/generate_logo", "POST, OPTIONS"),
    ],
)
async def test_options_and_a_405_name_every_method(serve, path, methods):
    async with serve() as http:
        options = await http.options(path)
        assert (options.status_code, options.headers["Allow"], options.content) == (204, methods, b"")
        wrong = await http.patch(path)
        assert (wrong.status_code, wrong.headers["Allow"]) == (405, methods)


async def test_options_of_the_whole_server(serve):
    async with serve() as http:
        sent = []

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        asked = {"type": "http", "method": "OPTIONS", "path": "*", "headers": [], "query_string": b""}
        await http._transport.app(asked, receive, send)
        assert (sent[0]["status"], dict(sent[0]["headers"])[b"allow"]) == (204, b"GET, HEAD, POST, DELETE, OPTIONS")


async def test_options_of_what_is_not_there(serve):
    async with serve() as http:
        assert (await http.options("/no")).status_code == 404


async def test_a_page_of_another_origin_may_ask_for_heads(serve):
    async with serve() as http:
        asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "HEAD"}
        assert (await http.options("/api/jobs", headers=asked)).status_code == 200


async def test_a_base_url_with_a_slash_at_its_end(serve):
    async with serve() as http:
        assert (await http.get("http://t//health//live")).json() == {"status": "alive"}
        assert (await http.post("http://t//api/jobs", json=BODY)).status_code == 202


@pytest.mark.parametrize("path", ["/health/live/", "/health/", "/api/jobs/", "/docs/", "/metrics/", "/v1/models/"])
async def test_a_slash_at_the_end_of_a_path(serve, path):
    async with serve() as http:
        assert (await http.get(path)).status_code == (await http.get(path.rstrip("/"))).status_code == 200
        assert (await http.options(path)).headers["Allow"] == (await http.options(path.rstrip("/"))).headers["Allow"]


async def test_a_job_is_submitted_and_read_with_a_slash_at_the_end(serve, succeed):
    async with serve(url_signing_keys=("k" * 32,)) as http:
        job = (await http.post("/api/jobs/", json=BODY)).json()
        succeed(job["id"])
        assert (await http.get(f"/api/jobs/{job['id']}/")).json()["status"] == "succeeded"
        path, _, query = (await http.get(f"/api/jobs/{job['id']}")).json()["urls"]["images"]["64"].partition("?")
        assert (await http.get(f"{path}/?{query}")).status_code == 200
        assert (await http.delete(f"/api/jobs/{job['id']}/")).status_code == 200


async def test_a_head_is_of_the_whole_image_whatever_its_range(serve, succeed):
    async with serve() as http:
        job = (await http.post("/api/jobs", json=BODY)).json()
        succeed(job["id"])
        path = f"/api/jobs/{job['id']}/images/64.png"
        got = await http.get(path)
        for asked in ("bytes=0-1", "bytes=999999-"):
            head = await http.head(path, headers={"Range": asked})
            assert (head.status_code, head.headers["Content-Length"]) == (200, got.headers["Content-Length"])
