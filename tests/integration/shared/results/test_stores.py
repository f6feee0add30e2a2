"""Each store keeps what it is given, as a whole or not at all, until it expires: Redis, a folder, a server with S3's
interface.
"""

import asyncio
import base64
import os
import random
import signal
import time

import pytest

from shared.connection import prompt_client
from shared.results import objects as object_module
from shared.results import places
from shared.results.opening import open_reader, open_results
from shared.results.places import WHOLE
from shared.results.store import PartGone, StoreAway
from worker.settings import WorkerSettings

DATA = random.Random(3).randbytes(700_001)
PARTS = {"64": base64.b64encode(DATA), "logo.svg": base64.b64encode(b"<svg/>"), "icons.zip": base64.b64encode(b"PK")}
PLACE = places.finished_images("job", 1)


def made(client, settings):
    return open_results(client, WorkerSettings(_env_file=None, **settings))


@pytest.fixture
def store(client, store_settings):
    return made(client, store_settings)


@pytest.fixture
def kept(request, store_settings, tmp_path):
    """The objects that a store has besides Redis; None for Redis itself."""

    def _kept():
        if not store_settings:
            return None
        if store_settings["result_store"].startswith("file"):
            root = tmp_path / "results"
            return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
        return request.getfixturevalue("s3").objects(store_settings)

    return _kept


def test_what_is_put_is_there_until_it_is_dropped(store, kept, client):
    store.put(PLACE, PARTS, 60)
    assert store.get(PLACE) == PARTS
    assert store.sizes(PLACE) == {"64": len(DATA), "logo.svg": 6, "icons.zip": 2}
    assert store.exists(PLACE)
    names = kept()
    if names is not None:
        assert {name.rpartition("/")[2] for name in names} == {"64.png", "logo.svg", "icons.zip"}
        assert sum(map(client.memory_usage, client.keys())) < 2000  # an index
    store.drop(PLACE)
    assert store.get(PLACE) == {}
    assert not store.exists(PLACE)
    assert not kept()
    assert client.keys() == []


def test_pixels_and_previews_are_in_redis(store, kept, client):
    for place in (places.pixels("job", 1), places.preview("job", 1)):
        store.put(place, {WHOLE: b"raw"}, 60)
        assert store.get(place) == {WHOLE: b"raw"}
        assert client.get(place.key) == b"raw"
    store.keep(places.pixels("job", 1), 600)
    assert client.ttl(places.pixels("job", 1).key) > 60
    assert not kept()


def test_what_is_stored_first_stays(store, kept):
    """As of a finisher that was paused past its lease."""
    store.put(PLACE, PARTS, 60)
    before = kept()
    store.put(PLACE, {"64": base64.b64encode(b"late"), "128": b"bGF0ZQ=="}, 60)
    assert store.get(PLACE) == PARTS
    assert kept() == before


def test_what_may_be_replaced_is_replaced(store, kept):
    place = places.images("job", 1)
    store.put(place, PARTS, 60)
    store.put(place, {"64": b"bmV3"}, 60)
    assert store.get(place) == {"64": b"bmV3"}
    assert kept() is None or len(kept()) == 1


def test_what_has_expired_is_deleted_and_nothing_else(store, kept, client, store_settings, monkeypatch):
    """Also of uploads that were cut off, which no index names."""
    store.put(PLACE, PARTS, 3600)
    store.put(places.finished_images("other", 1), {"64": b"bmV3"}, 7200)
    client.delete(PLACE.key)
    assert store.expire() == 0
    later = time.time() + 5000
    monkeypatch.setattr(object_module.time, "time", lambda: later)
    if not store_settings:
        return
    assert store.expire() == 3
    assert [name for name in kept() if "other/1/" in name] == kept() != []


async def test_a_reader_reads_any_part_of_it(store, valkey, store_settings):
    store.put(PLACE, PARTS, 60)
    client = prompt_client(valkey.url)
    reader = open_reader(client, client, WorkerSettings(_env_file=None, redis_url=valkey.url, **store_settings))

    async def read(start, stop):
        return b"".join([chunk async for chunk in reader.chunks(PLACE, image, start, stop)])

    images = await reader.images(PLACE)
    assert {name: image.size_bytes for name, image in images.items()} == store.sizes(PLACE)
    image, encoded = images["64"], PARTS["64"]
    assert await read(0, None) == encoded
    for start, stop in ((0, 4), (8, 12), (4, 700_000), (262_140, 262_148), (700_000, len(encoded))):
        assert await read(start, stop) == encoded[start:stop]
    assert await reader.reachable() is (True if store_settings else None)
    url = await reader.direct_url(image, 60)
    assert (url or "").startswith(store_settings.get("aws_endpoint_url", "")) is True
    assert bool(url) is store_settings.get("result_store", "").startswith("s3")
    await reader.drop(PLACE)
    assert await reader.images(PLACE) == {}
    with pytest.raises(PartGone):
        await read(0, 4)
    await client.aclose()


async def test_images_that_were_stored_before_the_store_was_chosen_are_read(valkey, client, tmp_path):
    made(client, {}).put(PLACE, PARTS, 60)
    settings = {"result_store": f"file://{tmp_path}/results"}
    store, other = made(client, settings), prompt_client(valkey.url)
    assert store.get(PLACE) == PARTS
    reader = open_reader(other, other, WorkerSettings(_env_file=None, **settings))
    image = (await reader.images(PLACE))["64"]
    assert b"".join([chunk async for chunk in reader.chunks(PLACE, image)]) == PARTS["64"]
    assert await reader.direct_url(image, 60) is None
    await reader.drop(PLACE)
    assert client.keys() == []
    await other.aclose()


def test_a_write_that_ends_half_way_leaves_nothing_to_be_found(client, tmp_path):
    store = made(client, {"result_store": f"file://{tmp_path}"})
    write, tries = store._objects._write, []

    def break_off(part):
        tries.append(part[0])
        if len(tries) == 2:
            raise object_module.BaseError("no space left")
        write(part)

    store._objects._write = break_off
    with pytest.raises(StoreAway, match="no space left"):
        store.put(PLACE, PARTS, 60)
    assert (store.get(PLACE), store.sizes(PLACE)) == ({}, {})
    # Tried again, it is written over what is there.
    store.put(PLACE, PARTS, 60)
    assert store.get(PLACE) == PARTS
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 3


def test_a_file_that_was_not_finished_goes(client, tmp_path):
    """A writer that is killed leaves its temporary file, which the library does not list."""
    store = made(client, {"result_store": f"file://{tmp_path}"})
    store.put(PLACE, {"64": b"bmV3"}, 60)
    (whole,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    old, new = (whole.with_name(f"64.png#{number}") for number in (1, 2))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert store.expire() == 0
    assert (whole.exists(), old.exists(), new.exists()) == (True, False, True)


async def test_a_server_that_is_away_is_said_to_be(client, valkey, s3):
    settings = s3.settings()
    store, other = made(client, settings), prompt_client(valkey.url)
    store.put(PLACE, PARTS, 60)
    away = settings | {"aws_endpoint_url": "http://127.0.0.1:1"}
    store = made(client, away)
    with pytest.raises(StoreAway) as raised:
        store.put(places.finished_images("other", 1), PARTS, 60)
    assert "secret" not in str(raised.value)
    assert client.keys("logo:images:other*") == []
    reader = open_reader(other, other, WorkerSettings(_env_file=None, **away))
    assert await reader.reachable() is False
    image = (await reader.images(PLACE))["64"]
    with pytest.raises(StoreAway):
        await anext(aiter(reader.chunks(PLACE, image)))
    await other.aclose()


async def test_a_server_that_stands_still_is_not_waited_for(client, valkey, s3, monkeypatch):
    monkeypatch.setattr("shared.results.objects.ANSWER_SECONDS", 0.2)
    other = prompt_client(valkey.url)
    reader = open_reader(other, other, WorkerSettings(_env_file=None, **s3.settings()))
    s3.process.send_signal(signal.SIGSTOP)
    try:
        assert await asyncio.wait_for(reader.reachable(), 10) is False
    finally:
        s3.process.send_signal(signal.SIGCONT)
    await other.aclose()
