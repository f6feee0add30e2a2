"""Pixels, images and files over a slow link: each piece has a time-out of its own, so that what is large arrives,
however late.
"""

import contextlib
import socket
import threading
import time

import pytest
import redis

from shared.connection import patient_client
from shared.results import places
from shared.results.places import WHOLE
from shared.results.redis_store import PIECE_BYTES, RedisResults
from shared.results.redis_uploads import UNFINISHED_TTL_SECONDS

MIB = 2**20
# A piece takes 0.05 s, far less than the client's time-out; all of the pixels take more than twice as long as that.
BYTES_PER_SECOND = 20 * MIB
ANSWER_SECONDS = 1
LARGE = bytes(range(256)) * (46 * MIB // 256) + b"the end"


class SlowLink:
    """A TCP proxy on loopback that hands on so many bytes a second to the server."""

    def __init__(self, port):
        self.upstream = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        # Small buffers, so that the kernel does not take what the link has not carried yet.
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.url = f"redis://127.0.0.1:{self.listener.getsockname()[1]}/0"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                here, _ = self.listener.accept()
                there = socket.create_connection(("127.0.0.1", self.upstream))
                threading.Thread(target=self.carry, args=(here, there, BYTES_PER_SECOND), daemon=True).start()
                threading.Thread(target=self.carry, args=(there, here, None), daemon=True).start()

    def carry(self, source, target, rate):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if rate:
                    time.sleep(len(data) / rate)
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def slow(valkey):
    link = SlowLink(valkey.port)
    client = patient_client(link.url, outage_seconds=0, answer_seconds=ANSWER_SECONDS)
    yield RedisResults(client)
    client.close()
    link.listener.close()


def test_the_pixels_of_the_largest_job_arrive(slow, client):
    place = places.pixels("job", 1)
    slow.put(place, {WHOLE: LARGE}, 60)
    assert slow.get(place) == {WHOLE: LARGE}
    assert 0 < client.ttl(place.key) <= 60
    assert client.keys("logo:pixels:*") == [place.key.encode()]


@pytest.mark.parametrize("length", [1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES])
def test_pixels_of_any_length_are_what_was_stored(client, length):
    results, place = RedisResults(client), places.pixels("job", 1)
    results.put(place, {WHOLE: LARGE[:length]}, 60)
    assert results.get(place) == {WHOLE: LARGE[:length]}
    results.drop(place)
    assert results.get(place) == {}


def test_pixels_that_expire_while_they_are_read_are_gone(client, monkeypatch):
    results, place = RedisResults(client), places.pixels("job", 1)
    results.put(place, {WHOLE: LARGE[: 2 * MIB + 5]}, 60)
    getrange = client.getrange

    def expires(key, start, end):
        piece = getrange(key, start, end)
        client.delete(key)
        return piece

    monkeypatch.setattr(client, "getrange", expires)
    assert results.get(place) == {}


def test_a_renaming_whose_reply_is_lost_is_done(client, monkeypatch):
    results, place = RedisResults(client), places.pixels("job", 1)
    rename = client.rename

    def twice(*names):
        rename(*names)
        return rename(*names)

    monkeypatch.setattr(client, "rename", twice)
    results.put(place, {WHOLE: LARGE[: 2 * MIB]}, 60)
    assert results.get(place) == {WHOLE: LARGE[: 2 * MIB]}


IMAGES = {name: LARGE[:length] for name, length in [("64", 1000), ("2048", 30 * MIB), ("logo.svg", 3 * MIB + 1)]}


def test_the_images_of_the_largest_job_arrive(slow, client):
    place = places.images("job", 1)
    slow.put(place, IMAGES, 60)
    assert RedisResults(client).get(place) == IMAGES
    kept = client.keys("logo:images:*")
    assert len(kept) == 1 + len(IMAGES)
    assert all(0 < client.ttl(key) <= 60 for key in kept)


def test_images_are_there_all_at_once(client, monkeypatch):
    results, place = RedisResults(client), places.images("job", 1)

    def dies(*_):
        raise ConnectionError

    monkeypatch.setattr(client, "eval", dies)
    with pytest.raises(ConnectionError):
        results.put(place, IMAGES, 60)
    assert not results.exists(place)
    # What a worker that died had sent goes by itself.
    assert all(0 < client.ttl(key) <= UNFINISHED_TTL_SECONDS for key in client.keys("logo:images:*"))


def test_images_whose_reply_is_lost_are_stored(client, monkeypatch):
    results, place = RedisResults(client), places.images("job", 1)
    stored = client.eval

    def twice(*arguments):
        stored(*arguments)
        return stored(*arguments)

    monkeypatch.setattr(client, "eval", twice)
    results.put(place, IMAGES, 60)
    assert results.get(place) == IMAGES


def test_a_piece_that_has_expired_meanwhile_is_an_error(client, monkeypatch):
    results, place = RedisResults(client), places.images("job", 1)
    stored = client.eval

    def late(*arguments):
        client.flushall()
        return stored(*arguments)

    monkeypatch.setattr(client, "eval", late)
    with pytest.raises(redis.ResponseError, match="expired"):
        results.put(place, IMAGES, 60)
    assert not results.exists(place)


@pytest.mark.parametrize("length", [8, 2 * MIB])
def test_a_finisher_that_comes_late_replaces_nothing(client, length):
    first, late, place = b"A" * length, b"B" * length, places.finished_images("job", 1)
    RedisResults(client).put(place, {"64": first}, 60)
    RedisResults(client).put(place, {"64": late, "logo.svg": late}, 60)
    assert RedisResults(client).get(places.images("job", 1)) == {"64": first}
    assert RedisResults(client).sizes(place) == {"64": length * 3 // 4}
    assert len(client.keys("logo:images:*")) == 2
