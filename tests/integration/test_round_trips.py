"""How often each step of a job's way asks Redis: each time costs the delay of a network."""

import asyncio
import threading

import pytest
import redis.asyncio.connection
import redis.connection

from api import held_calls
from shared import connection
from shared.ledger import keys
from shared.ledger.run import Ledger
from shared.results.redis_store import RedisResults
from worker.finish.finisher import Finisher
from worker.generate.generator import Generator
from worker.model import Pixels
from worker.recovery import Recovery
from worker.settings import WorkerSettings

# Sent when a connection opens, and by the one reader of the events stream.
NOT_OF_A_STEP = (b"HELLO", b"CLIENT", b"AUTH", b"SELECT", b"PING", b"XREAD", b"XREVRANGE")
BODY = {"prompt": "a red fox", "sizes": [64], "seed": 3}


class Model:
    name = "fake"

    def generate(self, _drawing, on_step):
        for step in (1, 2, 3):
            on_step(step, 3)
        return Pixels(64, 64, bytes([128]) * 64 * 64 * 3)


@pytest.fixture
def asked(monkeypatch):
    """The list that each command or pipeline which this thread sends is added to, once it is sent: what is about to be
    sent may find another state.
    """
    found, thread = [], threading.get_ident()

    def note(packed):
        sent = packed if isinstance(packed, bytes) else b"".join(packed)
        if threading.get_ident() == thread and sent.split(b"\r\n")[2] not in NOT_OF_A_STEP:
            found.append(sent)

    send, send_async = (
        kind.send_packed_command
        for kind in (redis.connection.AbstractConnection, redis.asyncio.connection.AbstractConnection)
    )

    def noted(self, command, *args, **kwargs):
        send(self, command, *args, **kwargs)
        note(command)

    async def noted_async(self, command, *args, **kwargs):
        await send_async(self, command, *args, **kwargs)
        note(command)

    monkeypatch.setattr(redis.connection.AbstractConnection, "send_packed_command", noted)
    monkeypatch.setattr(redis.asyncio.connection.AbstractConnection, "send_packed_command", noted_async)
    return found


@pytest.fixture
def count(asked):
    """How many round trips there were since the last time."""

    def _count():
        number = len(asked)
        asked.clear()
        return number

    return _count


async def until_let_go(http):
    """Until the ends of all held calls are in the ledger: one is noted only after its answer is there."""
    calls = http._transport.app.state.services.calls
    while calls._open or calls._ended:
        await asyncio.sleep(0.01)


async def do_all_once(http, client, generator, finisher):
    first = (await http.post("/api/jobs", json=BODY)).json()["id"]
    generator.generate(first)
    finisher.finish(first)
    held = asyncio.create_task(http.post("/api/generate_logo", json=BODY | {"prompt": "a blue fox"}))
    while not (queued := client.zrange(keys.QUEUED, 0, -1)):
        await asyncio.sleep(0.01)
    generator.generate(queued[0].decode())
    finisher.finish(queued[0].decode())
    await held
    await until_let_go(http)


async def test_each_step_of_a_job_asks_as_often_as_it_must(
    serve, ledger, celery_app, client, asked, count, monkeypatch
):
    # No command is sent again because its answer was late, and no call is renewed meanwhile.
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 60)
    monkeypatch.setattr(held_calls, "KEEP_SECONDS", 600)
    settings, results = WorkerSettings(_env_file=None), RedisResults(client)
    fail_fast = Ledger(client)
    generator = Generator("w", Model(), ledger, fail_fast, results, celery_app, settings)
    finisher = Finisher(ledger, fail_fast, results, Recovery(ledger, results, celery_app, 60), settings)
    async with serve() as http:
        await do_all_once(http, client, generator, finisher)
        # The scripts are known to the server and the connections are open from here on.
        http._transport.app.state.services.forecasts._looked_at = 0
        count()

        job_id = (await http.post("/api/jobs", json=BODY)).json()["id"]
        assert count() == 2  # create with its message, and the look for the estimate
        http._transport.app.state.services.forecasts._looked_at += 600  # it is not looked for again
        await http.delete(f"/api/jobs/{(await http.post('/api/jobs', json=BODY)).json()['id']}")
        assert count() == 2  # create with its message; the cancel
        await http.get(f"/api/jobs/{job_id}")
        assert count() == 1  # read
        generator.generate(job_id)
        assert count() == 5  # claim; pixels, finish, pace; the claim that finds no further job
        finisher.finish(job_id)
        assert count() == 5  # read, pixels; images, succeed, pace
        # The reader of events would read a job that is waited for once more, for an event that it has not seen yet.
        newest = client.xrevrange(keys.EVENTS, count=1)[0][0].decode()
        while http._transport.app.state.services.waiting.last_event != newest:
            await asyncio.sleep(0.01)
        count()
        await http.get(f"/api/jobs/{job_id}?wait=5")
        assert count() == 3  # read; the index of the images, the image (a piece of 256 KiB at a time)
        await http.get(f"/api/jobs/{job_id}?include=none")
        assert count() == 1  # read
        await http.delete(f"/api/jobs/{job_id}")
        assert count() == 1  # the move reads the job, checks its owner and answers with it

        waiting = http._transport.app.state.services.waiting
        held = asyncio.create_task(http.post("/api/generate_logo", json=BODY))
        while not waiting.count or len(asked) < 2:
            await asyncio.sleep(0.01)
        assert count() == 2  # create, and the first read
        (job_id,) = client.zrange(keys.QUEUED, 0, -1)
        generator.generate(job_id.decode())
        finisher.finish(job_id.decode())
        count()
        await held
        await until_let_go(http)
        assert count() == 4  # read after the event; the index of the images, the image; the call's end
