"""The generator on a real server: claims, hand-overs, cancels, failures, and records of other versions."""

import threading
from dataclasses import replace

import pytest

from shared.canvas import Canvas
from shared.jobs import Failure, JobStatus
from shared.ledger import counters, keys, moves
from shared.ledger.keys import LEASES
from shared.ledger.replies import Hold, Outcome
from shared.ledger.run import Ledger
from shared.queue import FINISH, waiting_job_ids
from shared.results import places
from shared.results.redis_store import RedisResults
from tests.integration.worker.conftest import FakeModel
from worker.generate import generator
from worker.lease import Lease
from worker.model import GenerationError

S = JobStatus


def test_drawn_handed_over_finished(job, draw, finisher, client):
    model = FakeModel()
    draw(model)
    assert (job().status, job().attempt, job().steps, job().model) == (S.FINISHING, 1, 4, "fake")
    assert client.strlen(places.pixels("job", 1).key) == 64 * 64 * 3
    assert waiting_job_ids(client, FINISH) == {"job"}
    (drawing,) = model.drawings
    assert (drawing.size, drawing.seeds) == (Canvas(128, 128), (3,))
    assert drawing.prompt.startswith("fox, ")
    finisher.finish("job")
    assert job().status is S.SUCCEEDED
    assert RedisResults(client).get(places.images("job", 1)).keys() == {"64", "128"}
    assert 0 < client.ttl("logo:images:job:1") <= 3600
    assert client.hget(keys.pace("fake"), "64:asked") == b"128"
    assert set(client.hkeys(keys.pace("fake"))) == {b"steps", b"64:asked", b"64x1:step", b"64x1:fixed", b"64x1:finish"}
    assert not client.exists(places.pixels("job", 1).key)


@pytest.mark.parametrize(("taken", "expected", "cut"), [(None, "fox", 0), (2, "fo", 1), (30, "fox", 1)])
def test_what_the_model_took_of_a_prompt_is_recorded_and_a_cut_counted(job, draw, client, taken, expected, cut):
    """More than the prompt's own characters: what was appended to it was cut."""

    class Short(FakeModel):
        def generate(self, *arguments):
            return replace(super().generate(*arguments), prompt_characters=taken)

    draw(Short())
    assert (job().status, job().prompt, job().drawn_prompt) == (S.FINISHING, "fox", expected)
    assert int(client.hget(keys.COUNTERS, counters.PROMPTS_CUT) or 0) == cut


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


@pytest.fixture
def one_job(monkeypatch):
    """A message is good for one job."""
    monkeypatch.setattr(generator, "ONE_MESSAGE_SECONDS", 0)


def test_a_message_draws_the_job_that_is_next(create, draw, read, one_job):
    """Whatever job it was sent for."""
    create("first")
    create("second")
    draw(FakeModel(), "second")
    assert (read("first").status, read("second").status) == (S.FINISHING, S.QUEUED)
    draw(FakeModel(), "gone")
    assert read("second").status is S.FINISHING
    model = FakeModel()
    draw(model, "second")
    assert model.drawings == []


def test_a_message_draws_what_waits_one_after_another(create, draw, read, client, monkeypatch):
    """One that fails ends nothing."""
    monkeypatch.setattr(generator, "ONE_MESSAGE_SECONDS", 600)
    for name in ("first", "second", "third"):
        create(name)
    model = FakeModel()
    model.during = lambda step: fail(step) if len(model.drawings) == 2 else None

    def fail(step):
        raise GenerationError("generation_failed", f"no step {step}")

    draw(model, "first")
    assert [read(name).status for name in ("first", "second", "third")] == [S.FINISHING, S.FAILED, S.FINISHING]
    assert waiting_job_ids(client, FINISH) == {"first", "third"}


def test_a_worker_that_ends_begins_no_further_job(create, draw, read, monkeypatch):
    for name in ("first", "second"):
        create(name)
    draw(FakeModel(lambda _step: monkeypatch.setattr(generator.readiness, "ending", lambda: True)), "first")
    assert (read("first").status, read("second").status) == (S.FINISHING, S.QUEUED)


def cancel(client):
    Ledger(client).run(moves.request_cancel("job", ttl_seconds=60))


def pass_its_deadline(client):
    client.hset("logo:job:job", "deadline_at", 1)


@pytest.mark.parametrize(("end", "status"), [(cancel, S.CANCELED), (pass_its_deadline, S.EXPIRED)])
def test_a_job_that_ends_while_it_is_drawn_stops_within_a_step(job, draw, client, monkeypatch, end, status):
    """Within a step of the lease's thread having asked, which a real step gives it time for."""
    asked, show_preview = threading.Event(), Lease._show_preview

    def after_renewal(lease):
        if lease._hold is not Hold.HELD:
            asked.set()
        show_preview(lease)

    def during(step):
        reached.append(step)
        if step == 2:
            end(client)
        if step > 2:
            assert asked.wait(30)

    reached = []
    monkeypatch.setattr(Lease, "_show_preview", after_renewal)
    draw(FakeModel(during, steps=50))
    assert job().status is status
    assert reached[-1] <= 3


@pytest.mark.parametrize("dies", [False, True])
def test_a_cancel_after_the_last_step_is_kept(job, draw, finisher, sweeper, ledger, client, monkeypatch, dies):
    """The request comes while the image is decoded or handed over; in one case the worker dies just after that."""
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


def test_a_record_of_a_newer_version_is_drawn_and_keeps_its_unknown_fields(job, draw, client):
    client.hset("logo:job:job", mapping={"version": 99, "of_the_next_version": "kept"})
    draw(FakeModel())
    assert job().status is S.FINISHING
    assert client.hget("logo:job:job", "of_the_next_version") == b"kept"


def test_a_record_of_an_older_version_is_drawn(job, draw, client):
    client.hdel("logo:job:job", "version", "priority", "queue_score", "enhance", "finish_tries")
    draw(FakeModel())
    assert job().status is S.FINISHING
