"""Proxies in the environment, as companies set them: all goes by them but what is on this machine."""

import contextlib
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import yaml

from api.client.server import Refused, Server
from shared.observability import tracing
from shared.stack import probe
from shared.stack.serve import free_port

COMPOSE = Path(__file__).parents[2] / "docker-compose.yml"
VARIABLES = [name for word in ("http", "https", "all") for name in (f"{word}_proxy", f"{word.upper()}_PROXY")]


class Answering:
    """Answers every GET and POST with its own name, and keeps the paths that it was asked for."""

    def __init__(self, name):
        self.asked = asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(name)

            def do_POST(self):
                self.do_GET()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever).start()


@pytest.fixture
def answering():
    """A server, and a proxy."""
    both = Answering(b"server"), Answering(b"proxy")
    yield both
    for one in both:
        one.server.shutdown()
        one.server.server_close()


@pytest.fixture
def environment(monkeypatch):
    def _environment(proxy):
        for name in (*VARIABLES, "no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        for name in VARIABLES:
            monkeypatch.setenv(name, proxy)

    return _environment


@pytest.mark.parametrize("proxy", [None, "http://127.0.0.1:1", "socks5://127.0.0.1:1"])
def test_this_machine_is_reached_without_a_proxy(answering, environment, proxy):
    server, real = answering
    environment(proxy or real.url)
    assert probe.trouble(f"{server.url}/health") == ""
    with Server(server.url, None) as client:
        assert client.image("/512.png") == b"server"
    assert (server.asked, real.asked) == (["/health", "/512.png"], [])


@pytest.mark.parametrize("name", ["api", "generate", "finish", "webhook", "sweeper"])
def test_a_container_is_probed_without_a_proxy(answering, environment, name):
    server, proxy = answering
    environment(proxy.url)
    _, python, *words = yaml.safe_load(COMPOSE.read_text())["services"][name]["healthcheck"]["test"]
    command = [word.replace(":9100", f":{server.server.server_port}") for word in words]
    command = [word.replace(":7860", f":{server.server.server_port}") for word in command]
    assert python == "python"
    subprocess.run([sys.executable, *command], check=True, timeout=60)
    assert (len(server.asked), proxy.asked) == (1, [])


@pytest.mark.parametrize("host", ["0.0.0.0", "localhost", "LOCALHOST", "localhost.", "127.0.0.2"])
def test_every_name_of_this_machine_is_reached_without_a_proxy(answering, environment, host):
    server, proxy = answering
    environment(proxy.url)
    port = server.server.server_port
    for url in (f"http://{host}:{port}", f"{host}:{port}"):
        # A server that listens on one address does not have the others, which no proxy is asked for all the same.
        with contextlib.suppress(httpx.TransportError), Server(url, None) as client:
            client.image("/512.png")
    assert proxy.asked == []


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_collector_on_this_machine_is_reached_without_a_proxy(answering, environment, name):
    server, proxy = answering
    environment(proxy.url)
    tracing.configure(f"http://{name}:{server.server.server_port}", "api")
    try:
        with tracing.span("one"):
            pass
    finally:
        tracing.shutdown()
    assert (server.asked, proxy.asked) == (["/v1/traces"], [])


def test_another_machine_is_reached_by_the_proxy(answering, environment):
    _, proxy = answering
    environment(proxy.url)
    with Server("http://logo.test", None) as client:
        assert client.image("/512.png") == b"proxy"
    assert proxy.asked == ["http://logo.test/512.png"]


@pytest.mark.parametrize(("proxy", "missing"), [("socks5://127.0.0.1:1", "socksio"), ("ftp://127.0.0.1:1", "ftp")])
def test_a_proxy_that_cannot_be_used_is_named(environment, proxy, missing):
    environment(proxy)
    with pytest.raises(Refused, match=f"the proxy in the environment .*{missing}"):
        Server("http://logo.test", None)


def test_a_port_that_nobody_listens_on_is_still_said(environment):
    environment("http://127.0.0.1:1")
    assert "refused" in probe.trouble(f"http://127.0.0.1:{free_port()}/health")
