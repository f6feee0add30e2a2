"""The API as a process of its own, without workers: signals, sockets, keys."""

import os
import signal
import subprocess
import sys
import threading

import httpx
import pytest
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from shared.ledger import QUEUED
from shared.serve import free_port

BODY = {"prompt": "a red fox", "sizes": [64]}


class Api:
    def __init__(self, directory, redis_url, **env):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = directory / "api.log"
        settings = {"REDIS_URL": redis_url, "HOST": "127.0.0.1", "PORT": str(self.port), "LOG_FORMAT": "json"} | env
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "api.main"], env=os.environ | settings, stdout=log, stderr=log
            )
        transport = httpx.HTTPTransport(retries=8)
        with httpx.Client(transport=transport, base_url=self.url) as http:
            assert http.get("/health/live").is_success

    def held(self, method, path, **options):
        """The call in a thread; `join` and read `.answer`."""

        def call():
            thread.answer = httpx.request(method, self.url + path, timeout=60, **options)

        thread = threading.Thread(target=call)
        thread.start()
        return thread


@pytest.fixture
def new_api(tmp_path, valkey):
    started = []

    def new(**env):
        started.append(Api(tmp_path, valkey.url, **env))
        return started[-1]

    yield new
    for api in started:
        api.process.kill()
        api.process.wait()


def until_queued(client, count):
    Retry(ConstantBackoff(0.02), 500, supported_errors=(AssertionError,)).call_with_retry(
        lambda: _assert_queued(client, count), lambda _: None
    )


def _assert_queued(client, count):
    assert client.zcard(QUEUED) == count


@pytest.mark.parametrize("signals", [1, 2])
def test_a_deploy_answers_the_calls_that_are_held(new_api, client, signals):
    api = new_api()
    job = httpx.post(f"{api.url}/api/jobs", json=BODY).json()
    wait = api.held("GET", f"/api/jobs/{job['id']}?wait=60")
    prefer = api.held("POST", "/api/jobs", json=BODY, headers={"Prefer": "wait=60"})
    app = api.held("POST", "/api/generate_logo", json=BODY)
    until_queued(client, 3)
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
