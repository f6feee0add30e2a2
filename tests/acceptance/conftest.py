"""The whole stack as a user starts it: `python -m shared.serve`, in processes of its own, with real signals."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import psutil
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from playwright.sync_api import sync_playwright

from shared.stack.ports import free_port, free_ports

START_SECONDS = 120
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPERATOR_KEY = "the-key-of-an-operator"  # of the shared stack


class Stack:
    def __init__(self, directory, **env):
        self.directory = directory
        self.url = f"http://127.0.0.1:{env['PORT']}"
        self.env = os.environ | {"LOG_FORMAT": "json", "HOST": "127.0.0.1", "DATA_DIR": str(directory)} | env
        self.log = directory / "stack.log"
        self.process = None
        self.http = httpx.Client(base_url=self.url, timeout=70, verify=False)

    def start(self, until="ready", before=(), **streams):
        """Starts the stack by the command `before`, with other standard streams than its log."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*before, sys.executable, "-m", "shared.serve"],
                env=self.env,
                **({"stdout": log, "stderr": log} | streams),
            )
        self.wait_until(self.ready if until == "ready" else self.alive)

    def stop(self):
        """Presses Ctrl-C. Returns the seconds until the stack ended and the processes that were left."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        start = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        return time.monotonic() - start, [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]

    def close(self):
        self.http.close()
        if self.process and self.process.poll() is None:
            family = psutil.Process(self.process.pid).children(recursive=True)
            self.process.kill()
            self.process.wait()
            for process in family:
                if process.is_running():
                    process.kill()
        for process in filter(self._owns, psutil.process_iter()):
            process.kill()

    def ready(self):
        try:
            return self.http.get("/health/ready").is_success
        except httpx.TransportError:
            return False

    def alive(self):
        try:
            return self.http.get("/health/live").is_success
        except httpx.TransportError:
            return False

    def workers(self):
        return self._patiently("/health")["workers"]

    def processes(self, part):
        """The processes of a part such as 'worker.generate', 'api.main' or 'valkey-server', parents before children."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        found = [p for p in family if p.is_running() and any(part in word for word in _command(p))]
        return sorted(found, key=lambda p: p.create_time())

    def everything(self):
        """All processes with this stack's data, orphans too, that do not end within 10 s."""
        deadline = time.monotonic() + 10
        while found := [p for p in psutil.process_iter() if self._owns(p)]:
            if time.monotonic() > deadline:
                break
            time.sleep(0.2)
        return found

    def _owns(self, process):
        try:
            return (
                process.status() != psutil.STATUS_ZOMBIE
                and process.environ().get("DATA_DIR") == str(self.directory)
                and process.pid != os.getpid()
            )
        except psutil.Error:
            return False

    @property
    def redis_url(self):
        return psutil.Process(self.process.pid).environ()["REDIS_URL"]

    def generate_processes(self):
        """The generate worker's parent, and its child: the process that holds the model."""
        (parent,) = [p for p in self.processes("worker.generate") if p.ppid() == self.process.pid]
        return parent, parent.children()[0]

    def holder(self, job_id):
        """The name, the parent and the child of the generate worker that claimed the job last."""
        name = self.events(event="job.claimed", job_id=job_id)[-1]["worker"]
        parent = psutil.Process(int(name.partition("@")[0].rpartition("-")[2]))
        return name, parent, parent.children()[0]

    def submit(self, **body):
        response = self.http.post("/api/jobs", json={"prompt": "a red fox", "sizes": [64]} | body)
        assert response.status_code == 202, response.text
        return response.json()

    def get(self, job_id, **params):
        return self._patiently(f"/api/jobs/{job_id}", **params)

    def _patiently(self, path, **params):
        """Asks again until it is answered, like a client on a bad network."""
        deadline = time.monotonic() + 60
        while True:
            try:
                response = self.http.get(path, params=params)
                if response.status_code != 503:
                    assert response.status_code == 200, response.text
                    return response.json()
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, "no answer for 60 s"
            time.sleep(0.1)

    def end_of(self, job_id, seconds=120):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            job = self.get(job_id, wait=10)
            if job["status"] in ("succeeded", "failed", "canceled", "expired"):
                return job
        raise AssertionError(f"{job['id']} is still {job['status']} after {seconds} s")

    def wait_until(self, condition, seconds=START_SECONDS):
        deadline = time.monotonic() + seconds
        while not (result := condition()):
            assert self.process.poll() is None, f"the stack ended: {self.log.read_text()[-3000:]}"
            assert time.monotonic() < deadline, f"not within {seconds} s: {self.log.read_text()[-3000:]}"
            time.sleep(0.1)
        return result

    def events(self, **fields):
        """The logged events with these fields."""
        lines = (line for line in self.log.read_text().splitlines() if line.startswith("{"))
        return [event for event in map(json.loads, lines) if fields.items() <= event.items()]


class Api:
    """The API as a process of its own, without workers."""

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
        """Makes the call in a thread. After `join`, its `.answer` is the response, or None."""

        def call():
            with contextlib.suppress(httpx.TransportError):
                thread.answer = httpx.request(method, self.url + path, timeout=60, verify=False, **options)

        thread = threading.Thread(target=call)
        thread.answer = None
        thread.start()
        return thread


def _command(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.fixture
def new_stack(tmp_path):
    stacks = []

    def _new(until="ready", start=True, **env):
        directory = tmp_path / f"stack-{len(stacks)}"
        directory.mkdir()
        stack = Stack(directory, **{"PORT": str(free_port()), "WARMUP_SIZE": "64"} | env)
        stacks.append(stack)
        if start:
            stack.start(until)
        return stack

    yield _new
    for stack in stacks:
        stack.close()


@pytest.fixture(scope="session")
def webhooks():
    """Settings of a stack that sends webhooks, even to this machine."""
    return {
        "WEBHOOK_SECRETS": "whsec_" + "bmV3" * 8,
        "WEBHOOK_ALLOW_HTTP": "true",
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    }


@pytest.fixture(scope="session")
def exported():
    """(service that sent it, span) of all spans that the collector has received."""
    return []


@pytest.fixture(scope="session")
def collector(exported):
    """The URL of a server that takes spans like an OpenTelemetry collector, and webhooks at /hook."""

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body
            body = b"" if self.path == "/hook" else body
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                attributes = {item.key: item.value.string_value for item in resource.resource.attributes}
                found = (span for scope in resource.scope_spans for span in scope.spans)
                exported.extend((attributes["service.name"], span) for span in found)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def stack(tmp_path_factory, webhooks, collector):
    """One stack, with metrics, traces and webhooks, shared by the tests that leave it as it was."""
    shared = Stack(
        tmp_path_factory.mktemp("stack"),
        PORT=str(free_port()),
        WARMUP_SIZE="64",
        METRICS_PORT=str(free_ports(4)),
        OTEL_EXPORTER_OTLP_ENDPOINT=collector,
        OTEL_BSP_SCHEDULE_DELAY="100",
        OPERATOR_KEYS=OPERATOR_KEY,
        **webhooks,
    )
    shared.start()
    yield shared
    shared.close()


@pytest.fixture(scope="session")
def struck(tmp_path_factory):
    """One stack, shared by the tests that strike it; each begins when it is whole again."""
    shared = Stack(tmp_path_factory.mktemp("struck"), PORT=str(free_port()), WARMUP_SIZE="64")
    shared.start()
    yield shared
    shared.close()


@pytest.fixture
def whole(struck):
    """The struck stack, whole: its one worker is ready, and no killed worker is listed."""
    struck.wait_until(lambda: [worker["ready"] for worker in struck.workers()] == [True])
    return struck


@pytest.fixture(scope="session")
def start_api():
    """(directory, Redis's URL, settings) -> a running API without workers, which the caller kills."""
    return Api


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


@pytest.fixture(scope="module")
def browser():
    """Of one module: while its driver runs, no test of another may start an event loop in this process."""
    path = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if path is None:
        pytest.fail(
            f"no browser: install Debian's package chromium, or leave this out with -m 'not browser' {BROWSERS}"
        )
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()
