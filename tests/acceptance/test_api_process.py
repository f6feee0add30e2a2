"""The API as a process of its own, without workers: signals, sockets, keys."""

import contextlib
import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
import psutil
import pytest
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from api.settings import ApiSettings
from shared.ledger import moves
from shared.results import places
from shared.results.redis_store import RedisResults

BODY = {"prompt": "a red fox", "sizes": [64]}


@pytest.fixture(scope="module")
def api(tmp_path_factory, valkey_server, start_api):
    """One API, shared by the tests that do not change its state."""
    shared = start_api(tmp_path_factory.mktemp("api"), valkey_server.url)
    yield shared
    shared.process.kill()
    shared.process.wait()


def until(condition):
    def check():
        assert condition()

    Retry(ConstantBackoff(0.02), 500, supported_errors=(AssertionError,)).call_with_retry(check, lambda _: None)


def until_held(api, count):
    """Until the API holds as many calls."""
    until(lambda: f"logo_waiters {count}.0" in httpx.get(f"{api.url}/metrics").text)


def test_every_address_is_ipv6_and_ipv4(new_api):
    api = new_api(HOST="::")
    for host in ("127.0.0.1", "[::1]"):
        assert httpx.get(f"http://{host}:{api.port}/health/live").is_success


@pytest.mark.parametrize("signals", [1, 2])
def test_a_deploy_answers_the_calls_that_are_held(new_api, client, signals):
    api = new_api()
    job = httpx.post(f"{api.url}/api/jobs", json=BODY).json()
    wait = api.held("GET", f"/api/jobs/{job['id']}?wait=60")
    prefer = api.held("POST", "/api/jobs", json=BODY, headers={"Prefer": "wait=60"})
    app = api.held("POST", "/api/generate_logo", json=BODY)
    until_held(api, 3)
    for _ in range(signals):
        api.process.send_signal(signal.SIGTERM)
    assert api.process.wait(10) in (0, -signal.SIGTERM)
    for thread in (wait, prefer, app):
        thread.join(10)
    assert (wait.answer.status_code, wait.answer.json()["status"]) == (200, "queued")
    assert (prefer.answer.status_code, prefer.answer.json()["status"]) == (202, "queued")
    error = app.answer.json()["error"]
    assert (app.answer.status_code, error["code"], app.answer.headers["Retry-After"]) == (
        503,
        "service_unavailable",
        "2",
    )
    assert error["details"]["url"].startswith("/api/jobs/")


def test_a_deploy_while_redis_hangs_answers_them_too(tmp_path, own_valkey, start_api):
    api = start_api(tmp_path, own_valkey.url)
    try:
        job = httpx.post(f"{api.url}/api/jobs", json=BODY).json()
        wait = api.held("GET", f"/api/jobs/{job['id']}?wait=60")
        until_held(api, 1)
        # The wait has read the job before a later read of it is answered.
        assert httpx.get(f"{api.url}/api/jobs/{job['id']}").is_success
        own_valkey.process.send_signal(signal.SIGSTOP)
        reads = [api.held("GET", f"/api/jobs/{job['id']}") for _ in range(4)]
        api.process.send_signal(signal.SIGTERM)
        for thread in (wait, *reads):
            thread.join(10)
        assert (wait.answer.status_code, wait.answer.json()["status"]) == (200, "queued")
        assert {thread.answer.status_code for thread in reads if thread.answer} <= {503}
    finally:
        own_valkey.process.send_signal(signal.SIGCONT)
        api.process.kill()
        api.process.wait()


@pytest.mark.parametrize(("trusted", "statuses"), [("", [202, 202, 429]), ("127.0.0.1", [202, 202, 202])])
def test_a_forged_address_is_no_new_caller(new_api, valkey, client, trusted, statuses):
    api = new_api(RATE_LIMIT="2/day", TRUSTED_PROXIES=trusted)
    forged = ["203.0.113.1", "203.0.113.2", "203.0.113.3"]
    answers = [httpx.post(f"{api.url}/api/jobs", json=BODY, headers={"X-Forwarded-For": name}) for name in forged]
    assert [answer.status_code for answer in answers] == statuses
    httpx.post(f"{api.url}/api/jobs", json=BODY, headers={"X-Forwarded-For": "x" * 20000})
    assert max(len(key) for key in client.keys("logo:rate*")) < 200
    lines = [json.loads(line) for line in api.log.read_text().splitlines() if '"request"' in line]
    callers = [line["caller"] for line in lines if line["path"] == "/api/jobs"]
    assert callers == (forged if trusted else ["127.0.0.1"] * 3) + ["127.0.0.1"]


def connection(api, *, receive_buffer=None):
    raw = socket.socket()
    if receive_buffer:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    raw.settimeout(10)
    raw.connect(("127.0.0.1", api.port))
    return raw


def test_a_request_that_never_ends_is_cut_off(new_api, tmp_path):
    # The bound is 20 s; a module that Python imports at its start shortens it in the process.
    (tmp_path / "sitecustomize.py").write_text("import api.http_protocol as p\np.REQUEST_SECONDS = 0.5\n")
    api = new_api(PYTHONPATH=f"{tmp_path}{os.pathsep}{Path.cwd()}")
    for sent in (
        b"",
        b"GET /health/live HTTP/1.1\r\nHost: t\r\nX-A: ",
        b"POST /api/jobs HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\n{",
        b"GET /health/live HTTP/1.1\r\nHost: t\r\n\r\nGET /",
    ):
        with connection(api) as raw:
            raw.sendall(sent)
            while raw.recv(65536):
                pass
    assert httpx.get(f"{api.url}/health/live").is_success
    assert api.log.read_text().count("request_too_slow") == 4


def test_curl_that_offers_http_2_submits_a_job(api, tmp_path):
    (tmp_path / "body.json").write_text(json.dumps(BODY))
    for options in ([], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"]):
        # The second request goes over the same connection.
        command = ["curl", "-sS", "--http2", *options, "-H", "Content-Type: application/json"]
        command += ["--data-binary", f"@{tmp_path / 'body.json'}", *[f"{api.url}/api/jobs"] * 2]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        assert done.stdout.count('"status":"queued"') == 2, done.stdout
    assert "Unsupported upgrade" not in api.log.read_text()


def test_an_idle_connection_is_kept_as_long_as_the_setting_says(new_api, tmp_path):
    api = new_api(KEEP_ALIVE_SECONDS="1", MAX_IDLE_CONNECTIONS="1")
    with connection(api) as first, connection(api) as second:
        for raw in (first, second):
            raw.sendall(b"GET /health/live HTTP/1.1\r\nHost: t\r\n\r\n")
            answer = http.client.HTTPResponse(raw)
            answer.begin()
            assert answer.getheader("keep-alive") == "timeout=1"
            assert answer.read() == b'{"status":"alive"}'
            if raw is second:  # the bound is one: the one idle longest
                assert first.recv(65536) == b""
        assert second.recv(65536) == b""
    assert ApiSettings(_env_file=None).keep_alive_seconds == 75


def test_a_stream_over_http_1_0_has_no_chunks(api):
    job = httpx.post(f"{api.url}/api/jobs", json=BODY).json()
    httpx.delete(f"{api.url}/api/jobs/{job['id']}")
    with connection(api) as raw:
        raw.sendall(f"GET {job['urls']['events']} HTTP/1.0\r\nHost: t\r\n\r\n".encode())
        head, _, body = b"".join(iter(lambda: raw.recv(65536), b"")).decode().partition("\r\n\r\n")
    assert "chunked" not in head
    assert [line.lower() for line in head.splitlines() if line.lower().startswith("connection")] == [
        "connection: close"
    ]
    assert [line for line in body.splitlines() if line.startswith("event:")] == ["event: snapshot", "event: done"]


def test_a_head_is_bounded(api):
    line, long = b"GET / HTTP/1.1\r\n", b"b" * 70_000
    for head in (line + b"X-A: b\r\n" * 10_000, line + b"X-A: " + long, b"GET /" + long):
        for end in (b"", b"\r\n\r\n"):
            with connection(api) as raw:
                try:
                    raw.sendall(head + end)
                    answer = b"".join(iter(lambda raw=raw: raw.recv(65536), b""))
                except ConnectionError:
                    answer = b""  # the connection is closed while the request is still being sent
            assert not answer or answer.startswith(b"HTTP/1.1 400")
    assert httpx.get(f"{api.url}/health/live").is_success


def test_who_reads_slowly_keeps_nobody_waiting(api, ledger, client):
    job = httpx.post(f"{api.url}/api/jobs", json=BODY).json()
    ledger.run(moves.claim(job["id"], worker="w", delivery="d"))
    ledger.run(moves.finish(job["id"], 1, width=8, height=8, model="m"))
    RedisResults(client).put(places.images(job["id"], 1), {64: "A" * 8_000_000}, 3600)
    ledger.run(moves.succeed(job["id"], 1, images_ttl_seconds=3600, ttl_seconds=3600))
    request = f"GET /api/jobs/{job['id']} HTTP/1.1\r\nHost: t\r\n\r\n".encode()
    with contextlib.ExitStack() as slow:
        for _ in range(8):
            raw = slow.enter_context(connection(api, receive_buffer=4096))
            raw.sendall(request)
            assert raw.recv(10)
        with httpx.Client(base_url=api.url, verify=False) as http:  # certificates take longer to load than an answer
            start = time.monotonic()
            for _ in range(20):
                assert http.get(f"/api/jobs/{job['id']}", params={"include": "none"}).is_success
            assert time.monotonic() - start < 5
    # All clients have left in the middle of their answers, and the server goes on.
    assert httpx.get(f"{api.url}/health/live").is_success
    assert "Traceback" not in api.log.read_text()


def test_the_soft_limit_of_open_files_is_raised_to_the_hard_one(new_api):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, hard - 1, 1024), hard))
    try:
        api = new_api()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert psutil.Process(api.process.pid).rlimit(psutil.RLIMIT_NOFILE) == (hard, hard)


def test_where_open_files_run_out_the_log_has_a_line_a_second_and_the_server_goes_on(new_api):
    api = new_api()
    process = psutil.Process(api.process.pid)
    files = process.num_fds() + 8
    process.rlimit(psutil.RLIMIT_NOFILE, (files, files))
    start = time.monotonic()
    with contextlib.ExitStack() as opened:
        for _ in range(40):
            opened.enter_context(connection(api))
        until(lambda: "connections.refused" in api.log.read_text())
        seconds = time.monotonic() - start
        log = api.log.read_text()
    assert log.count("\n") < 30 + seconds
    assert "Traceback" not in log
    with httpx.Client(base_url=api.url, timeout=30) as http:
        assert http.get("/health/live").is_success
