"""After a job was forgotten, the append-only file is rewritten: nothing of its prompt is on the disk."""

import asyncio
import re
import stat
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api.forgetting import forget_owner
from api.settings import ApiSettings
from shared.jobs import Job, JobStatus
from shared.ledger import forgetting, keys, moves, reads
from shared.ledger.run import Ledger
from shared.ledger.usage import usage
from shared.results import places
from shared.results.redis_store import RedisResults
from shared.stack import embedded_redis
from worker import rewriting
from worker.rewriting import Rewriting

SECRET = "an owl of nobody's business"


@pytest.fixture
def server(own_valkey):
    with own_valkey.client() as client:
        client.config_set("rdbcompression", "no")  # so that what is there is found
        yield own_valkey, client, Ledger(client)


def create(ledger, job_id, owner="o"):
    job = Job(id=job_id, status=JobStatus.QUEUED, prompt=f"{SECRET} {job_id}", sizes=(64,), seed=1, owner=owner)
    assert ledger.run(moves.create(job, max_queue=99)).outcome == "created"


def on_disk(valkey):
    """Which secrets the append-only files have, once no rewrite is under way."""
    with valkey.client() as client:
        deadline = time.monotonic() + 30
        while (state := client.info("persistence"))["aof_rewrite_in_progress"] or state["aof_rewrite_scheduled"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    data = b"".join(path.read_bytes() for path in Path(valkey.directory).rglob("appendonly.aof.*"))
    return set(re.findall(rf"{SECRET} (\w+)".encode(), data))


def test_the_file_is_rewritten_once_for_what_was_forgotten(server, monkeypatch):
    valkey, client, ledger = server
    for name in ("a", "b", "c"):
        create(ledger, name)
    ledger.run(moves.request_cancel("a", ttl_seconds=60, forget=True))
    ledger.run(moves.request_cancel("b", ttl_seconds=60))
    ledger.run(forgetting.forget("b"))
    assert on_disk(valkey) == {b"a", b"b", b"c"}
    look = Rewriting(client).look
    look()
    assert on_disk(valkey) == {b"c"}
    ledger.run(moves.request_cancel("c", ttl_seconds=60, forget=True))
    look()  # rests
    assert (on_disk(valkey), client.get(keys.FORGOTTEN)) == ({b"c"}, b"1")
    monkeypatch.setattr(rewriting, "REST_SECONDS", 0)
    Rewriting(client).look()
    assert (on_disk(valkey), client.get(keys.FORGOTTEN)) == (set(), b"0")


def test_a_whole_key_is_forgotten_but_for_its_usage(server):
    valkey, client, ledger = server
    for name in ("queued", "running", "done"):
        create(ledger, name)
    create(ledger, "others", owner="p")
    client.set(keys.idempotency("o", "k"), "done x")
    for name in ("done", "running"):
        ledger.run(moves.claim(name, worker=name, delivery=name))
    ledger.run(moves.finish("done", 1, width=1, height=1, model="m"))
    RedisResults(client).put(places.images("done", 1), {"64": "AAAA"}, 60)
    ledger.run(moves.succeed("done", 1, images_ttl_seconds=60, ttl_seconds=60))

    async def forget():
        forgetting = asyncio.create_task(forget_owner(ApiSettings(_env_file=None, redis_url=valkey.url), "o"))
        while not ledger.run(reads.job("running")).job.cancel_requested:
            await asyncio.sleep(0.01)
        ledger.run(moves.cancel("running", ttl_seconds=60, attempt=1))
        return await forgetting

    assert asyncio.run(forget()) == 3
    assert on_disk(valkey) == {b"others"}
    named = [key for key in client.scan_iter() if re.search(rb"done|running$|queued$", key) and key != b"logo:queued"]
    assert named == []
    today = datetime.now(UTC).date()
    used = ledger.run(usage("o", today - timedelta(1), today)).total
    assert (used.succeeded, used.canceled) == (1, 2)


def test_nobody_else_may_read_the_embedded_servers_file(tmp_path):
    """Of `make serve`: its Valkey makes its files with the mode that this command sets."""
    command = embedded_redis.command(tmp_path / "none", tmp_path)[:4]
    subprocess.run([*command, "/bin/sh", "-c", f"touch {tmp_path}/appendonly.aof"], check=True)
    assert stat.S_IMODE((tmp_path / "appendonly.aof").stat().st_mode) == 0o600
