"""`sentinel://` on real servers: API, workers and broker follow the primary through a fail-over."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time

import pytest

from api import loop_lag
from shared import redis_state
from shared.connection import patient_client
from shared.ledger import keys
from shared.queue import GENERATE, make_celery, waiting_job_ids
from shared.workers import find, hold_key
from tests.integration.sentinels import NAME, OWN_PASSWORD, Watched
from tests.integration.shared.test_redis_url import reach

WORKER = "from tests import stub_worker; stub_worker.run()"
BODY = {"prompt": "a red fox", "sizes": [64]}


@pytest.fixture
def watched():
    found = Watched()
    yield found
    found.close()


@pytest.fixture
def workers(watched, tmp_path):
    """A generate worker, a finisher and the sweeper, as processes."""
    env = os.environ | {"REDIS_URL": watched.url, "LOG_FORMAT": "json", "TORCH_DEVICE": "cpu"}
    with contextlib.ExitStack() as stack:
        programs = {
            "generate": ["-c", WORKER],
            "finish": ["-m", "worker.finish.main"],
            "sweeper": ["-m", "worker.sweeper"],
        }
        for name, words in programs.items():
            log = stack.enter_context((tmp_path / f"{name}.log").open("wb"))
            process = subprocess.Popen([sys.executable, *words], env=env, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield


async def succeeded(http, job_id):
    deadline = time.monotonic() + 60
    while True:
        found = await http.get(f"/api/jobs/{job_id}?wait=5&include=none")
        if found.status_code == 200 and found.json()["status"] == "succeeded":
            return
        assert found.status_code == 503 or found.json()["status"] in ("queued", "running", "finishing"), found.text
        assert time.monotonic() < deadline, found.text
        await asyncio.sleep(0.05)


async def test_a_fail_over_loses_no_job_that_the_replica_had(serve, watched, workers, monkeypatch):
    monkeypatch.setattr(loop_lag, "LATE_SECONDS", 60)  # the loop is that of the test's clients too
    async with serve(redis_url=watched.url) as http:
        await succeeded(http, first := (await http.post("/api/jobs", json=BODY)).json()["id"])
        with patient_client(watched.url, outage_seconds=30) as client:
            # The worker takes none of the jobs that are queued before the fail-over.
            worker = client.hget(keys.job(first), "worker").decode()
            client.set(hold_key(worker), "paused")
            while find(client, worker).ready:
                await asyncio.sleep(0.05)
            before = [(await http.post("/api/jobs", json=BODY)).json()["id"] for _ in range(3)]
            killed = await asyncio.to_thread(watched.kill_primary)
            told, refused = (await http.post("/api/jobs", json=BODY)), []
            while told.status_code != 202:
                refused.append((told.status_code, told.json()["error"]["code"], told.headers["Retry-After"]))
                await asyncio.sleep(0.05)
                told = await http.post("/api/jobs", json=BODY)
            assert set(refused) == {(503, "service_unavailable", "2")}
            assert watched.primary != killed
            client.delete(hold_key(worker))
        for job_id in (*before, told.json()["id"]):
            await succeeded(http, job_id)


async def test_each_client_comes_to_the_same_primary(watched):
    assert await reach(watched.url, "job") == {"job"}
    with watched.client(watched.primary, db=2) as client:
        assert waiting_job_ids(client, GENERATE) == {"job"}


async def test_a_sentinel_that_is_gone_costs_no_call(watched):
    url = watched.url
    watched.kill_sentinel()
    assert await reach(url, "job") == {"job"}


def test_a_client_whose_primary_becomes_a_replica_writes_to_the_new_one(watched):
    watched.trust_servers()
    with patient_client(watched.url, outage_seconds=30) as client:
        client.set("key", "before")
        first = watched.primary
        with watched._client(next(iter(watched.sentinels)), OWN_PASSWORD) as sentinel:
            sentinel.sentinel_failover(NAME)
        while watched.primary == first:
            time.sleep(0.05)
        with watched.client(watched.primary, db=2) as other:
            # Until the Sentinels have told it, the old one takes what is lost with it.
            while other.get("key") != b"after":
                client.set("key", "after")
                time.sleep(0.05)


def test_a_name_that_no_sentinel_knows_ends_the_start_with_one_line(watched, capsys):
    redis_state.refuse_cluster(watched.url)
    with pytest.raises(SystemExit) as ended:
        redis_state.refuse_cluster(watched.url.replace(f"/{NAME}", "/mymaster"))
    (line,) = capsys.readouterr().err.splitlines()
    assert (ended.value.code, line[:18]) == (2, "setting REDIS_URL:")
    assert NAME in line


def test_celery_shows_no_password(watched):
    assert OWN_PASSWORD not in make_celery(watched.url).connection().as_uri()
    assert "s%2Fs" not in make_celery(watched.url).connection().as_uri()
