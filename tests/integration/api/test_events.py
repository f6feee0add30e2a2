"""Event streams: their events, when they end, and how many there may be."""

import asyncio
import base64
import contextlib
import json
import threading

import httpx
import pytest

from api.following import READ_SECONDS
from api.routes import events
from shared.ledger import moves
from shared.ledger.run import Ledger
from shared.results import places
from shared.results.redis_store import RedisResults
from worker.lease import Lease

BODY = {"prompt": "a red fox", "sizes": [64]}


def parse(text):
    """[(event, id, data)] and the number of comments."""
    found, comments = [], 0
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        comments += block.startswith(":")
        if lines:
            found.append((lines["event"], lines.get("id"), json.loads(lines["data"])))
    return found, comments


async def submitted(http, **options):
    return (await http.post("/api/jobs", json=BODY, **options)).json()


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def parts(http):
    return http._transport.app.state.services


@contextlib.asynccontextmanager
async def opened(http, job, **options):
    """A stream that is open, as a task that ends with its whole text."""
    waiting = parts(http).waiting
    before = len(waiting._followers.get(job["id"], ()))
    stream = asyncio.create_task(http.get(job["urls"]["events"], **options))
    await until(lambda: stream.done() or len(waiting._followers.get(job["id"], ())) > before)
    yield stream
    stream.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await stream


async def test_a_job_from_its_submit_to_its_end(serve, ledger, succeed, monkeypatch):
    told = []
    make = events._event

    def remember(name, *seen, **options):
        told.append(name)
        return make(name, *seen, **options)

    monkeypatch.setattr(events, "_event", remember)
    async with serve() as http:
        job = await submitted(http)
        async with opened(http, job) as stream:
            await until(lambda: told == ["snapshot"])
            ledger.run(moves.claim(job["id"], worker="w", delivery="d"))
            await until(lambda: told[-1] == "status")
            ledger.run(moves.renew(job["id"], 1, step=3, steps=28))
            await until(lambda: told[-1] == "progress")
            await asyncio.to_thread(succeed, job["id"])
            response = await asyncio.wait_for(stream, 10)
    found, _ = parse(response.text)
    assert [name for name, _, _ in found if name != "status"] == ["snapshot", "progress", "done"]
    assert found[0] == ("snapshot", None, job)
    assert [data for name, _, data in found if name == "progress"] == [
        {"step": 3, "steps": 28, "fraction": 0.1071, "queue_position": None, "eta_seconds": None}
    ]
    name, event_id, done = found[-1]
    assert (name, event_id, done["status"], done["images"]) == ("done", "1-succeeded-0", "succeeded", None)
    assert list(done["urls"]["images"]) == ["64"]
    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert (response.headers["X-Accel-Buffering"], response.headers["Cache-Control"]) == ("no", "no-store")
    assert "retry: 2000" in response.text


async def test_one_that_is_over_ends_at_once_and_is_not_asked_for_again(serve, ledger):
    async with serve() as http:
        job = await submitted(http)
        ledger.run(moves.cancel(job["id"], ttl_seconds=60))
        url = job["urls"]["events"]
        found, _ = parse((await http.get(url)).text)
        assert [name for name, _, _ in found] == ["snapshot", "done"]
        # A browser reconnects by itself; 204 tells it not to. With an earlier event's id it gets the end.
        assert (await http.get(url, headers={"Last-Event-ID": found[-1][1]})).status_code == 204
        again, _ = parse((await http.get(url, headers={"Last-Event-ID": "0-queued-0"})).text)
        assert [name for name, _, _ in again] == ["snapshot", "done"]
        # If cut before `done`, it reconnects with the id of the last event that it has seen.
        seen = [event_id for _, event_id, _ in found[:-1] if event_id]
        again, _ = parse((await http.get(url, headers={"Last-Event-ID": seen[-1]} if seen else {})).text)
        assert again[-1][0] == "done"


async def test_progress_is_read_once_for_all_and_only_while_somebody_streams(serve, ledger, succeed, monkeypatch):
    assert 1 / READ_SECONDS <= 2  # a second, as documented
    monkeypatch.setattr("api.following.READ_SECONDS", 0.02)
    async with serve() as http:
        job = await submitted(http)
        following, waiting, ticks = parts(http).following, parts(http).waiting, []
        read = waiting.read_followed

        async def counted():
            ticks.append(list(waiting._followers))
            return await read()

        monkeypatch.setattr(waiting, "read_followed", counted)
        async with opened(http, job) as one, opened(http, job) as two:
            ledger.run(moves.claim(job["id"], worker="w", delivery="d"))
            for step in range(1, 1000):
                if len(ticks) > 6:
                    break
                await asyncio.to_thread(ledger.run, moves.renew(job["id"], 1, step=step, steps=1000))
            assert ticks[0] == [job["id"]]  # two streams share one reading
            await asyncio.to_thread(succeed, job["id"])
            for stream in (one, two):
                found, _ = parse((await asyncio.wait_for(stream, 10)).text)
                count = [name for name, _, _ in found].count("progress")
                # However fast the steps are, each reading reports one; the claim's event causes one more.
                assert 1 < count <= len(ticks) + 1
        await until(following._reader.done)
        assert waiting._followers == {}


@pytest.mark.parametrize("previews", [True, False])
async def test_previews_where_they_are_asked_for(serve, ledger, previews, monkeypatch):
    monkeypatch.setattr("api.following.READ_SECONDS", 0.02)
    shown, pictures = threading.Event(), [b"first", b"second"]

    def draw(job):
        with Lease(ledger, job, 60, RedisResults(ledger.client)) as lease:
            for step, picture in enumerate(pictures, 1):
                lease.step(step, 28, lambda picture=picture: picture)
                while ledger.client.get(places.preview(job.id, 1).key) != picture:
                    assert not shown.wait(0.01)
                # The stream has read it once it has sent the step that came with it, or a later one.
                reads[0] = 0
                while reads[0] < 3:
                    assert not shown.wait(0.01)

    reads = [0]
    async with serve(previews=previews) as http:
        waiting = parts(http).waiting
        read = waiting.read_followed

        async def counted():
            reads[0] += 1
            return await read()

        monkeypatch.setattr(waiting, "read_followed", counted)
        job = await submitted(http)
        async with opened(http, job) as stream:
            claimed = ledger.run(moves.claim(job["id"], worker="w", delivery="d")).job
            await asyncio.wait_for(asyncio.to_thread(draw, claimed), 10)
            ledger.run(moves.cancel(job["id"], ttl_seconds=60))
            found, _ = parse((await asyncio.wait_for(stream, 10)).text)
    told = [base64.b64decode(data["image"]) for name, _, data in found if name == "preview"]
    assert told == (pictures if previews else [])
    assert {event_id for name, event_id, _ in found if name == "preview"} <= {None}
    assert 0 < ledger.client.ttl(places.preview(job["id"], 1).key) <= 60


async def test_heartbeats(serve, ledger, monkeypatch):
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.02)
    beats = []
    make = events.ServerSentEvent

    def counted(*args, **options):
        beats.extend([1] if "comment" in options else [])
        return make(*args, **options)

    monkeypatch.setattr(events, "ServerSentEvent", counted)
    async with serve() as http:
        job = await submitted(http)
        async with opened(http, job) as stream:
            await until(lambda: len(beats) > 2)
            ledger.run(moves.cancel(job["id"], ttl_seconds=60))
            _, comments = parse((await asyncio.wait_for(stream, 10)).text)
    assert comments > 2


async def test_streams_of_a_key_are_bounded_and_given_back(serve):
    one, two = ({"headers": {"X-API-Key": key}} for key in ("one", "two"))
    async with serve(api_keys=("one", "two"), max_streams_per_key=1) as http:
        mine, theirs = await submitted(http, **one), await submitted(http, **two)
        async with opened(http, mine, **one):
            refused = await http.get(mine["urls"]["events"], **one)
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_streams")
            assert refused.headers["Retry-After"] == "5"
            async with opened(http, theirs, **two) as other:
                assert not other.done()
        assert parts(http).following._streams == {}
        async with opened(http, mine, **one) as again:
            assert not again.done()


async def test_without_keys_an_address_has_a_bound_of_its_own(serve):
    async with serve(max_streams_per_key=1) as http:
        job, app = await submitted(http), http._transport.app
        async with opened(http, job):
            assert (await http.get(job["urls"]["events"])).status_code == 429
            elsewhere = httpx.ASGITransport(app, client=("192.0.2.7", 1))
            async with (
                httpx.AsyncClient(transport=elsewhere, base_url="http://t") as other,
                opened(other, job) as stream,
            ):
                assert not stream.done()


async def test_a_stream_of_a_record_that_goes_ends(serve, client):
    async with serve() as http:
        job = await submitted(http)
        async with opened(http, job) as stream:
            client.delete(f"logo:job:{job['id']}")
            assert (await asyncio.wait_for(stream, 10)).status_code == 200


async def test_none_for_an_unknown_job_or_anothers(serve):
    async with serve(api_keys=("one", "two")) as http:
        job = await submitted(http, headers={"X-API-Key": "one"})
        for key, status in ((None, 401), ("two", 404)):
            response = await http.get(job["urls"]["events"], headers={"X-API-Key": key} if key else {})
            assert response.status_code == status
        unknown = job["urls"]["events"].replace(job["id"], "3f0c2d0e-6a5b-4f53-8d43-6f3a2f9f8f10")
        assert (await http.get(unknown, headers={"X-API-Key": "one"})).status_code == 404


async def test_a_restart_of_redis_does_not_end_a_stream(own_valkey, serve):
    server = own_valkey
    async with serve(redis_url=server.url) as http:
        job = await submitted(http)
        async with opened(http, job) as stream:
            server.kill()
            server.start()
            with server.client() as client:
                Ledger(client).run(moves.cancel(job["id"], ttl_seconds=60))
            found, _ = parse((await asyncio.wait_for(stream, 15)).text)
            assert found[-1][0] == "done"
