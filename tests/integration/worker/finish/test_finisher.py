"""The finisher on a real server: pixels that are gone or broken, and jobs that are canceled meanwhile."""

from shared.jobs import JobStatus
from shared.ledger import moves
from shared.queue import GENERATE, waiting_job_ids
from shared.results import places
from shared.results.places import WHOLE
from shared.results.redis_store import RedisResults
from tests.integration.worker.conftest import FakeModel

S = JobStatus


def test_a_finisher_cancels_what_was_to_be_canceled(job, draw, finisher, client):
    draw(FakeModel())
    client.hset("logo:job:job", "cancel_requested", "1")
    finisher.finish("job")
    assert job().status is S.CANCELED


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
