"""Images on their way: over a slow link to Redis, to clients that read slowly, from a Redis that dies half-way."""

import contextlib
import socket
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest
from slow_link import SlowLink

from shared.ledger import moves
from shared.ledger.run import Ledger
from shared.results import places
from shared.results.redis_store import RedisResults

BODY = {"prompt": "a red fox", "sizes": [64]}


@pytest.fixture
def started(tmp_path, start_api):
    apis = []

    def _started(redis_url, **env):
        apis.append(start_api(tmp_path, redis_url, **env))
        return apis[-1]

    yield _started
    for api in apis:
        api.process.kill()
        api.process.wait()


def drawn(api, client, length):
    """The path of a job whose image has so many characters of base64."""
    ledger, job_id = Ledger(client), httpx.post(f"{api.url}/api/jobs", json=BODY).json()["id"]
    ledger.run(moves.claim(job_id, worker="w", delivery="d"))
    ledger.run(moves.finish(job_id, 1, width=8, height=8, model="m"))
    RedisResults(client).put(places.images(job_id, 1), {"64": "A" * length}, 3600)
    ledger.run(moves.succeed(job_id, 1, images_ttl_seconds=3600, ttl_seconds=3600))
    return f"/api/jobs/{job_id}"


@contextlib.contextmanager
def slow_readers(api, paths):
    """Connections that have the first bytes of their answers and read no more."""
    with contextlib.ExitStack() as stack:
        readers = []
        for path in paths:
            raw = stack.enter_context(socket.socket())
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.settimeout(30)
            raw.connect(("127.0.0.1", api.port))
            raw.sendall(f"GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n".encode())
            readers.append(raw)
        for raw in readers:
            assert raw.recv(10) == b"HTTP/1.1 2"
        yield readers


def test_a_link_of_100_mbit_to_redis_delays_images_and_nobody_else(started, valkey, client):
    with SlowLink(valkey.port, 12.5e6) as link:
        api = started(f"redis://127.0.0.1:{link.port}/0")
        path = drawn(api, client, 12_000_000)
        with ThreadPoolExecutor(10) as pool:
            answers = [pool.submit(httpx.get, api.url + path, timeout=120) for _ in range(10)]
            others = []
            while not all(answer.done() for answer in answers):
                others.append(httpx.post(f"{api.url}/api/jobs", json=BODY, timeout=30).status_code)
        assert [answer.result().status_code for answer in answers] == [200] * 10
        assert all(len(answer.result().json()["images"]["64"]) == 12_000_000 for answer in answers)
        assert set(others) == {202}


@pytest.mark.parametrize("suffix", ["", "/images/64.png"])
def test_twenty_slow_readers_of_32_mb_cost_no_memory(new_api, client, suffix):
    api = new_api()
    path = drawn(api, client, 32_000_000)
    process = psutil.Process(api.process.pid)
    before = process.memory_info().rss
    with slow_readers(api, [path + suffix] * 20):
        most = 0
        for _ in range(20):
            assert httpx.get(api.url + path, params={"include": "none"}).is_success
            most = max(most, process.memory_info().rss)
    assert most - before < 200_000_000


def test_a_redis_that_dies_half_way_ends_the_answer_short(started, own_valkey):
    api = started(own_valkey.url)
    with own_valkey.client() as client:
        path = drawn(api, client, 32_000_000)
    with slow_readers(api, [path, f"{path}/images/64.png"]) as readers:
        own_valkey.kill()
        for raw in readers:
            assert sum(map(len, iter(lambda raw=raw: raw.recv(65536), b""))) < 24_000_000
    own_valkey.start()
    assert len(httpx.get(f"{api.url}{path}/images/64.png", timeout=30).content) == 24_000_000
    log = api.log.read_text()
    assert log.count("answer.cut") == 2
    assert "Traceback" not in log
