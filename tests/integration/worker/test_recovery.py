"""Who may take a job from whom: a dead child's parent, the sweeper, and what neither can read."""

import threading
import time
from types import SimpleNamespace

import pytest
import redis
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import signals
from kombu.exceptions import OperationalError

from shared.jobs import Job, JobStatus
from shared.ledger import leadership, moves, reads
from shared.ledger.keys import LEASES
from shared.queue import FINISH, GENERATE, waiting_job_ids
from shared.results import places
from shared.results.places import WHOLE
from shared.results.redis_store import RedisResults
from worker import child_death, sweeper
from worker.recovery import Recovery
from worker.settings import WorkerSettings
from worker.sweeper import Sweeper

S = JobStatus


@pytest.fixture
def read(ledger):
    return lambda job_id="job": ledger.run(reads.job(job_id)).job


@pytest.fixture
def create(ledger):
    def _create(job_id="job"):
        ledger.run(moves.create(Job(id=job_id, status=S.QUEUED, prompt="fox", sizes=(64,), seed=3), max_queue=99))

    return _create


@pytest.fixture
def claim(ledger):
    return lambda worker, job_id="job": ledger.run(moves.claim(job_id, worker=worker, delivery=worker)).job


@pytest.fixture
def dies(ledger, celery_app, monkeypatch):
    """The end of a child that had the job, as its parent sees it."""

    def _dies(held, error=None):
        monkeypatch.setattr(signals.task_failure, "receivers", [])
        child_death.watch(ledger, Recovery(ledger, RedisResults(ledger.client), celery_app, 60), held)
        signals.task_failure.send(None, exception=error or WorkerLostError(), kwargs={"job_id": "job"})

    return _dies


class TestADeadChild:
    def test_its_job_is_drawn_elsewhere(self, create, claim, read, dies):
        create()
        claim("generate-b")
        dies(child_death.drawn_by("generate-b"), TimeLimitExceeded())
        assert (read().status, read().attempt) == (S.QUEUED, 1)

    @pytest.mark.parametrize("attempts", [1, 2])
    def test_one_that_was_given_up_takes_nothing_from_its_successor(self, create, claim, read, dies, ledger, attempts):
        """It hung past its lease; the sweeper has given its job to another worker, which draws it."""
        create()
        for _ in range(attempts):
            ledger.run(moves.requeue("job", claim("generate-b").attempt))
        held = claim("generate-a")
        dies(child_death.drawn_by("generate-b"))
        assert read() == held
        dies(child_death.is_finishing)
        assert read() == held

    def test_what_it_had_not_claimed_gets_its_message_again(self, create, dies, client):
        create()
        dies(child_death.drawn_by("generate-b"))
        assert waiting_job_ids(client, GENERATE) == {"job"}

    def test_a_finishers_job_is_finished_elsewhere(self, create, claim, dies, ledger, client):
        create()
        claim("generate-a")
        RedisResults(client).put(places.pixels("job", 1), {WHOLE: b"pixels"}, 60)
        ledger.run(moves.finish("job", 1, width=8, height=8, model="m"))
        dies(child_death.is_finishing)
        assert waiting_job_ids(client, FINISH) == {"job"}


@pytest.mark.parametrize("state", ["running", "last attempt", "canceled", "finishing"])
def test_a_lease_that_was_renewed_after_the_sweeper_had_looked_is_kept(
    state, create, claim, read, ledger, celery_app, client, monkeypatch
):
    create()
    if state == "last attempt":
        for attempt in (1, 2):
            claim(f"w{attempt}")
            ledger.run(moves.requeue("job", attempt))
    attempt = claim("slow").attempt
    if state == "canceled":
        ledger.run(moves.request_cancel("job", ttl_seconds=60))
    if state == "finishing":
        RedisResults(client).put(places.pixels("job", 1), {WHOLE: b"pixels"}, 60)
        ledger.run(moves.finish("job", 1, width=8, height=8, model="m"))
    client.zadd(LEASES, {"job": 1})
    looked = Sweeper._jobs_of

    def look_and_pause(self, job_ids):
        jobs = looked(self, job_ids)
        ledger.run(moves.renew("job", attempt))
        return jobs

    before = read()
    with monkeypatch.context() as patch:
        patch.setattr(Sweeper, "_jobs_of", look_and_pause)
        Sweeper(ledger, RedisResults(ledger.client), celery_app, 60).recover_lost()
    assert read() == before
    assert client.zscore(LEASES, "job") > 1
    client.zadd(LEASES, {"job": 1})
    Sweeper(ledger, RedisResults(ledger.client), celery_app, 60).recover_lost()
    assert read() != before


def test_what_cannot_be_read_holds_nothing_up(create, claim, read, ledger, celery_app, client):
    """Records and messages of a later version."""
    for job_id in ("a", "b", "c", "d"):
        create(job_id)
    claim("dead", "a")
    claim("dead", "c")
    client.zadd(LEASES, {"a": 1, "c": 2})
    client.hset("logo:job:a", "status", "of the next version")
    client.hdel("logo:job:b", "prompt")
    client.lpush(GENERATE, b'{"body": "e30="}', b"no message")
    swept = Sweeper(ledger, RedisResults(ledger.client), celery_app, 60)
    swept.sweep()
    assert read("c").status is S.QUEUED
    swept.publish_missing()
    assert waiting_job_ids(client, GENERATE) == {"c", "d"}


@pytest.fixture
def run_sweeper(valkey, monkeypatch):
    """The loop of a sweeper in a thread; each of its sweeps is `seen` with whether it trusted the leases."""

    class Enough(BaseException):
        pass

    over, threads = threading.Event(), []

    def sleep(_):
        if over.wait(0.02):
            raise Enough

    def _run(seen):
        def loop():
            with pytest.raises(Enough):
                sweeper.run(WorkerSettings(_env_file=None, redis_url=valkey.url))

        clock = SimpleNamespace(monotonic=time.monotonic, time=time.time, sleep=sleep)
        monkeypatch.setattr(Sweeper, "sweep", lambda _, *, leases=True: seen(leases))
        monkeypatch.setattr(sweeper, "time", clock)
        monkeypatch.setattr(sweeper, "LEASE_SECONDS", 0.5)
        threads.append(threading.Thread(target=loop))
        threads[0].start()

    yield _run
    over.set()
    threads[0].join()


@pytest.mark.parametrize("outage", ["pause", "publish"])
def test_after_a_pause_or_where_nothing_is_published_leases_are_not_trusted(run_sweeper, client, monkeypatch, outage):
    """A server that answers late answers without an error: holders could not renew their leases all the same."""
    monkeypatch.setattr(sweeper, "ANSWER_SECONDS", 0.2)
    trusted, distrusted, fail = threading.Event(), threading.Event(), threading.Event()

    def seen(leases):
        if fail.is_set():
            fail.clear()
            raise OperationalError("no broker")
        (trusted if leases else distrusted).set()

    run_sweeper(seen)
    assert trusted.wait(5)
    distrusted.clear()
    if outage == "pause":
        client.execute_command("CLIENT", "PAUSE", 300)
    else:
        fail.set()
    assert distrusted.wait(5)


def test_at_maxmemory_a_new_sweeper_leads_and_gives_the_lead_up(run_sweeper, client):
    swept = threading.Event()
    client.config_set("maxmemory", 1)
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        client.set("any", 1)
    run_sweeper(lambda _: swept.set())
    assert swept.wait(5)
    assert client.pttl("logo:sweeper") > 0


def test_one_leads_at_a_time(ledger, client):
    def lead(name, seconds=5):
        return ledger.run(leadership.lead(name, seconds))

    assert [lead("a"), lead("b"), lead("a")] == [True, False, True]
    assert 4000 < client.pttl("logo:sweeper") <= 5000
    assert [lead("b", 0), lead("b"), lead("a", 0), lead("b")] == [False, False, False, True]
