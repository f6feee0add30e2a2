"""Generator, finisher, sweeper and recovery on a real server, with a model whose steps the test decides."""

import threading
import time
from types import SimpleNamespace

import pytest
import redis

from shared.jobs import Failure, Job, JobStatus
from shared.ledger import keys, moves, reads
from shared.ledger.keys import DEADLINES, LEASES
from shared.ledger.replies import Outcome
from shared.queue import FINISH, GENERATE, send_generate, waiting_job_ids
from shared.results import places
from shared.results.places import WHOLE
from shared.results.redis_store import RedisResults
from worker.finish.finisher import Finisher
from worker.generate.generator import Generator
from worker.model import Device, GenerationError, Pixels
from worker.recovery import Recovery
from worker.settings import WorkerSettings
from worker.sweeper import Sweeper
from worker.sweeper import run as run_sweeper
from worker.task import JobTask

S = JobStatus


class FakeModel:
    """Calls `during` between its steps; draws one grey image."""

    name = "fake"

    def __init__(self, during=lambda step: None, steps=4):
        self.during, self.steps, self.drawings = during, steps, []

    def setup(self):
        pass

    def device(self):
        return Device("cpu", "cpu")

    def generate(self, drawing, on_step):
        self.drawings.append(drawing)
        for step in range(1, self.steps + 1):
            self.during(step)
            on_step(step, self.steps)
        return Pixels(64, 64, bytes([128]) * 64 * 64 * 3)


@pytest.fixture
def settings(valkey):
    return WorkerSettings(_env_file=None, redis_url=valkey.url)


@pytest.fixture
def draw(ledger, celery_app, settings):
    def _draw(model, job_id="job"):
        Generator("worker-1", model, ledger, ledger, RedisResults(ledger.client), celery_app, settings).generate(job_id)

    return _draw


@pytest.fixture
def recovery(ledger, celery_app):
    return Recovery(ledger, RedisResults(ledger.client), celery_app, 60)


@pytest.fixture
def finisher(ledger, recovery, settings):
    return Finisher(ledger, ledger, RedisResults(ledger.client), recovery, settings)


@pytest.fixture
def sweeper(ledger, celery_app):
    return Sweeper(ledger, RedisResults(ledger.client), celery_app, 60)


@pytest.fixture
def job(ledger):
    """A queued job; `read()` reads it again."""
    ledger.run(
        moves.create(Job(id="job", status=S.QUEUED, prompt="fox", sizes=(64, 128), seed=3, request_id="r"), max_queue=9)
    )

    def read():
        return ledger.run(reads.job("job")).job

    return read


def wait_for(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come about"
        time.sleep(0.01)


def test_drawn_handed_over_finished(job, draw, finisher, client):
    model = FakeModel()
    draw(model)
    assert (job().status, job().attempt, job().steps, job().model) == (S.FINISHING, 1, 4, "fake")
    assert client.strlen(places.pixels("job", 1).key) == 64 * 64 * 3
    assert waiting_job_ids(client, FINISH) == {"job"}
    (drawing,) = model.drawings
    assert (drawing.size, drawing.seeds) == (128, (3,))
    assert drawing.prompt.startswith("fox, ")
    finisher.finish("job")
    assert job().status is S.SUCCEEDED
    assert set(client.hkeys("logo:images:job:1")) == {b"64", b"128"}
    assert 0 < client.ttl("logo:images:job:1") <= 3600
    assert client.hget(keys.pace("fake"), "64:asked") == b"128"
    assert set(client.hkeys(keys.pace("fake"))) == {b"steps", b"64:asked", b"64x1:step", b"64x1:fixed", b"64x1:finish"}
    assert not client.exists(places.pixels("job", 1).key)


def test_a_duplicate_delivery_does_no_work(job, draw, finisher):
    draw(FakeModel())
    model = FakeModel()
    draw(model)
    assert model.drawings == []
    finisher.finish("job")
    done = job()
    finisher.finish("job")
    draw(model)
    assert (job(), model.drawings) == (done, [])


def test_a_canceled_job_stops_within_a_step(job, draw, ledger):
    def during(step):
        if step == 2:
            ledger.run(moves.request_cancel("job", ttl_seconds=60))
            lease_thread_saw_it(step)

    def lease_thread_saw_it(step):
        # The lease's thread asks after each step; give it the time of one, as a real step does.
        time.sleep(0.2)

    model = FakeModel(during, steps=50)
    reached = []
    model.during = lambda step: (reached.append(step), during(step))
    draw(model)
    assert job().status is S.CANCELED
    assert reached[-1] <= 4


@pytest.mark.parametrize("dies", [False, True])
def test_a_cancel_after_the_last_step_is_kept(job, draw, finisher, sweeper, ledger, client, monkeypatch, dies):
    """While the image is decoded or handed over; also where the worker dies just after that."""
    put = RedisResults.put

    def store(*arguments):
        put(*arguments)
        asked = ledger.run(moves.request_cancel("job", ttl_seconds=60))
        assert asked.outcome is Outcome.FLAGGED

    monkeypatch.setattr(RedisResults, "put", store)
    if dies:
        monkeypatch.setattr("worker.generate.generator.Generator._stop", lambda *_: None)
    draw(FakeModel())
    assert waiting_job_ids(client, FINISH) == set()
    if dies:
        assert job().status is S.FINISHING
        client.zadd(LEASES, {"job": 1})
        sweeper.sweep()
    assert job().status is S.CANCELED
    assert not client.exists(places.pixels("job", 1).key)
    finisher.finish("job")
    assert job().status is S.CANCELED


def test_a_finisher_cancels_what_was_to_be_canceled(job, draw, finisher, client):
    draw(FakeModel())
    client.hset("logo:job:job", "cancel_requested", "1")
    finisher.finish("job")
    assert job().status is S.CANCELED


def test_a_worker_that_lost_its_lease_changes_nothing(job, draw, ledger, client):
    def steal(step):
        if step == 2:
            ledger.run(moves.requeue("job", 1))
            ledger.run(moves.claim("job", worker="worker-2", delivery="other"))

    draw(FakeModel(steal))
    assert (job().status, job().attempt, job().worker) == (S.RUNNING, 2, "worker-2")
    assert not client.exists(places.pixels("job", 1).key)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (GenerationError(Failure.OUTPUT_NOT_FINITE, "the output was not finite"), "output_not_finite", "not finite"),
        (RuntimeError("CUDA error in /secret/path"), "generation_failed", "RuntimeError"),
    ],
)
def test_a_model_that_fails_is_a_failed_job(job, draw, error, code, message):
    def during(_):
        raise error

    draw(FakeModel(during))
    assert (job().status, job().error_code) == (S.FAILED, code)
    assert message in job().error_message
    assert "/secret" not in job().error_message


def test_a_deadline_that_passed_costs_no_drawing(job, draw, client):
    client.hset("logo:job:job", "deadline_at", 1)
    model = FakeModel()
    draw(model)
    assert (job().status, model.drawings) == (S.EXPIRED, [])


def test_the_fourth_attempt_is_refused_as_poison(job, draw, ledger):
    for attempt in (1, 2, 3):
        ledger.run(moves.claim("job", worker="w", delivery=str(attempt)))
        ledger.run(moves.requeue("job", attempt))
    model = FakeModel()
    draw(model)
    assert (job().status, job().error_code, model.drawings) == (S.FAILED, "poison", [])


def test_a_lease_is_renewed_while_a_step_lasts(job, draw, client, monkeypatch):
    monkeypatch.setattr("worker.lease.RENEW_SECONDS", 0.05)
    scores = []

    def slow(_):
        before = client.zscore(LEASES, "job")
        wait_for(lambda: client.zscore(LEASES, "job") > before)
        scores.append(before)

    draw(FakeModel(slow, steps=2))
    assert len(scores) == 2


def test_pixels_that_are_gone_are_drawn_again(job, draw, finisher, client):
    draw(FakeModel())
    client.delete(places.pixels("job", 1).key)
    finisher.finish("job")
    assert (job().status, job().seed) == (S.QUEUED, 3)
    assert waiting_job_ids(client, GENERATE) == {"job"}


def test_pixels_that_cannot_be_encoded_fail_the_job(job, draw, finisher, ledger, client):
    draw(FakeModel())
    RedisResults(client).put(places.pixels("job", 1), {WHOLE: b"short"}, 60)
    finisher.finish("job")
    assert (job().status, job().error_code) == (S.FAILED, "finish_failed")


def test_canceled_while_it_was_encoded(job, draw, finisher, ledger, client, monkeypatch):
    draw(FakeModel())

    def cancel_meanwhile(*_):
        ledger.run(moves.request_cancel("job", ttl_seconds=60))
        return {"64": "late"}

    monkeypatch.setattr("worker.finish.finisher.encode_images", cancel_meanwhile)
    finisher.finish("job")
    assert job().status is S.CANCELED
    assert not client.exists("logo:images:job:1")


class TestSweeper:
    def test_a_lost_lease_is_drawn_elsewhere(self, job, ledger, sweeper, client):
        ledger.run(moves.claim("job", worker="dead", delivery="d"))
        sweeper.sweep()
        assert job().status is S.RUNNING
        client.zadd(LEASES, {"job": 1})
        sweeper.sweep(leases=False)
        assert job().status is S.RUNNING
        sweeper.sweep()
        assert (job().status, job().attempt) == (S.QUEUED, 1)
        assert waiting_job_ids(client, GENERATE) == {"job"}

    def test_a_job_keeps_its_priority_when_it_is_published_again(self, job, ledger, sweeper, client):
        client.hset("logo:job:job", "priority", "high")
        ledger.run(moves.claim("job", worker="dead", delivery="d"))
        client.zadd(LEASES, {"job": 1})
        sweeper.sweep()
        # kombu keeps the highest priority, 0, in the list with the queue's plain name.
        assert client.llen(GENERATE) == 1

    def test_a_lost_lease_of_the_third_attempt_is_poison(self, job, ledger, sweeper, client):
        for attempt in (1, 2, 3):
            ledger.run(moves.claim("job", worker="dead", delivery=str(attempt)))
            client.zadd(LEASES, {"job": 1})
            sweeper.sweep()
        assert (job().status, job().error_code, job().attempt) == (S.FAILED, "poison", 3)

    def test_a_lost_lease_of_a_canceled_job(self, job, ledger, sweeper, client):
        ledger.run(moves.claim("job", worker="dead", delivery="d"))
        ledger.run(moves.request_cancel("job", ttl_seconds=60))
        client.zadd(LEASES, {"job": 1})
        sweeper.sweep()
        assert job().status is S.CANCELED

    def test_a_job_that_waits_for_a_finisher_is_left_alone(self, job, draw, sweeper, client):
        draw(FakeModel())
        client.zadd(LEASES, {"job": 1})
        sweeper.sweep()
        assert (job().status, job().finish_tries) == (S.FINISHING, 0)
        assert client.zscore(LEASES, "job") > 1
        assert sum(client.llen(key) for key in client.keys("finish*")) == 1

    def test_a_finisher_that_died_is_replaced_and_given_up_in_the_end(self, job, draw, sweeper, client):
        draw(FakeModel())
        for tries in (1, 2, 3):
            for key in client.keys("finish*"):
                client.delete(key)
            client.zadd(LEASES, {"job": 1})
            sweeper.sweep()
            assert (job().status, job().finish_tries) == (S.FINISHING, tries)
        for key in client.keys("finish*"):
            client.delete(key)
        client.zadd(LEASES, {"job": 1})
        sweeper.sweep()
        assert (job().status, job().finish_tries) == (S.QUEUED, 0)

    def test_a_queued_job_without_a_message_gets_one(self, job, sweeper, client):
        sweeper.publish_missing()
        assert waiting_job_ids(client, GENERATE) == set()
        sweeper.publish_missing()
        assert waiting_job_ids(client, GENERATE) == {"job"}
        for _ in range(4):
            sweeper.publish_missing()
        assert sum(client.llen(key) for key in client.keys("generate*")) == 1

    def test_a_queued_job_with_its_message_is_left_alone(self, job, sweeper, celery_app, client):
        send_generate(celery_app, "job", "r")
        for _ in range(4):
            sweeper.publish_missing()
        assert sum(client.llen(key) for key in client.keys("generate*")) == 1

    def test_a_passed_deadline_expires(self, job, sweeper, client):
        client.zadd(DEADLINES, {"job": 1})
        sweeper.sweep()
        assert job().status is S.EXPIRED
        assert client.zcard(DEADLINES) == 0


def test_leases_are_not_trusted_for_ten_seconds_after_a_start_or_an_outage(settings, client, monkeypatch):
    """Their holders could not renew them meanwhile."""

    class Enough(BaseException):
        pass

    clock, swept = [0.0], []

    def sweep(_, *, leases=True):
        swept.append(leases)
        if len(swept) == 6:
            raise redis.ConnectionError
        if len(swept) == 11:
            raise Enough

    monkeypatch.setattr("worker.sweeper.patient_client", lambda *_, **__: client)
    monkeypatch.setattr(Sweeper, "sweep", sweep)
    sleep = lambda seconds: clock.__setitem__(0, clock[0] + seconds)  # noqa: E731
    monkeypatch.setattr("worker.sweeper.time", SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep))
    with pytest.raises(Enough):
        run_sweeper(settings)
    assert swept == [False] * 5 + [True] + [False] * 4 + [True]


def test_a_stalled_step_ends_the_process(job, ledger, celery_app, monkeypatch):
    killed = threading.Event()
    monkeypatch.setattr("worker.lease.RENEW_SECONDS", 0.02)
    monkeypatch.setattr("worker.lease.os.kill", lambda pid, signal: killed.set())
    monkeypatch.setattr("worker.lease.log.error", lambda *_, **__: None)
    settings = WorkerSettings.model_construct(**WorkerSettings(_env_file=None).model_dump() | {"stall_seconds": 0.1})
    model = FakeModel(lambda _: killed.wait(10), steps=1)
    Generator("w", model, ledger, ledger, RedisResults(ledger.client), celery_app, settings).generate("job")
    assert killed.is_set()


def test_a_deadline_that_passes_while_it_is_drawn_ends_it_within_a_step(job, draw, client):
    reached = []

    def during(step):
        reached.append(step)
        if step == 2:
            client.hset("logo:job:job", "deadline_at", 1)
        time.sleep(0.2)  # a step's time, in which the lease's thread asks

    draw(FakeModel(during, steps=50))
    assert job().status is S.EXPIRED
    assert reached[-1] <= 4


@pytest.mark.parametrize("version", [None, 1, 99])
def test_messages_of_the_version_before_and_of_the_next_are_worked_on(job, celery_app, version):
    """The ledger's record decides; a message only names it."""
    done = []

    @celery_app.task(name="any", base=JobTask)
    def task(job_id, version=1):
        done.append(job_id)

    task(job_id="job", **({} if version is None else {"version": version}))
    assert done == ["job"]


def test_a_record_of_the_next_version_is_drawn_and_keeps_what_is_unknown_here(job, draw, client):
    client.hset("logo:job:job", mapping={"version": 99, "of_the_next_version": "kept"})
    draw(FakeModel())
    assert job().status is S.FINISHING
    assert client.hget("logo:job:job", "of_the_next_version") == b"kept"


def test_a_record_of_the_version_before_is_drawn(job, draw, client):
    client.hdel("logo:job:job", "version", "priority", "queue_score", "enhance", "finish_tries")
    draw(FakeModel())
    assert job().status is S.FINISHING
