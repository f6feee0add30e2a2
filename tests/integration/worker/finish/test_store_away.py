"""A store of images that is away while jobs are finished: they wait, are not drawn again, and lose nothing."""

import pytest

from shared.jobs import JobStatus
from shared.ledger import counters, keys, moves
from shared.queue import FINISH, GENERATE, waiting_job_ids
from shared.results import places
from shared.results.objects import Objects
from shared.results.opening import open_results
from shared.results.store import StoreAway
from tests.integration.worker.conftest import FakeModel
from worker.finish.finisher import Finisher
from worker.settings import WorkerSettings

S = JobStatus
PIXELS = places.pixels("job", 1).key


@pytest.fixture
def finisher(ledger, recovery, valkey, tmp_path, monkeypatch):
    monkeypatch.setattr("worker.finish.finisher.STORE_CHECK_SECONDS", 0)
    settings = WorkerSettings(_env_file=None, redis_url=valkey.url, result_store=f"file://{tmp_path}/results")
    return Finisher(ledger, ledger, open_results(ledger.client, settings), recovery, settings)


@pytest.fixture
def away(monkeypatch):
    """The next so many writes fail, and after each of them something happens."""

    def _away(times, meanwhile=lambda: None):
        write, left = Objects.write, [times]

        def refuse(self, parts):
            if left[0] == 0:
                write(self, parts)
                return
            left[0] -= 1
            meanwhile()
            raise StoreAway("the store is away")

        monkeypatch.setattr(Objects, "write", refuse)

    return _away


def test_a_short_outage_is_waited_for(job, draw, finisher, away):
    draw(FakeModel())
    away(3)
    finisher.finish("job")
    assert (job().status, job().attempt, job().finish_tries) == (S.SUCCEEDED, 1, 0)


def test_in_a_long_one_the_job_goes_back_to_the_queue_as_often_as_need_be(
    job, draw, finisher, away, client, monkeypatch
):
    draw(FakeModel())
    monkeypatch.setattr("worker.finish.finisher.OUTAGE_BUDGET_SECONDS", 0)
    away(6)
    for _ in range(6):
        client.delete(FINISH)
        client.expire(PIXELS, 5)
        finisher.finish("job")
        assert (job().status, job().attempt, job().finish_tries) == (S.FINISHING, 1, 0)
        assert waiting_job_ids(client, FINISH) == {"job"}
        assert client.ttl(PIXELS) > 3000
        assert not client.exists("logo:images:job:1")
    assert client.hget(keys.COUNTERS, counters.recovered("store_away", S.FINISHING)) == b"6"
    finisher.finish("job")
    assert job().status is S.SUCCEEDED
    assert waiting_job_ids(client, GENERATE) == set()


def test_a_cancel_ends_the_waiting(job, draw, finisher, away, ledger, client, monkeypatch):
    """The lease learns of it."""
    monkeypatch.setattr("worker.lease.RENEW_SECONDS", 0.01)
    draw(FakeModel())
    away(-1, lambda: ledger.run(moves.request_cancel("job", ttl_seconds=60)))
    finisher.finish("job")
    assert job().status is S.CANCELED
    assert client.keys("logo:images:*") == []


def test_pixels_stay_as_long_as_their_job_waits(job, draw, sweeper, client):
    """With no finisher, or none that gets on: its message waits, and nobody holds it."""
    draw(FakeModel())
    client.zadd(keys.LEASES, {"job": 1})
    client.expire(PIXELS, 5)
    sweeper.recover_lost()
    assert client.ttl(PIXELS) > 3000
    assert job().finish_tries == 0
