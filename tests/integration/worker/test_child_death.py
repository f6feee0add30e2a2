"""A dead child's parent recovers the job that its child held, and no job of another worker."""

import pytest
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import signals

from shared.jobs import JobStatus
from shared.ledger import moves
from shared.queue import FINISH, GENERATE, waiting_job_ids
from shared.results import places
from shared.results.places import WHOLE
from shared.results.redis_store import RedisResults
from worker import child_death
from worker.recovery import Recovery

S = JobStatus


@pytest.fixture
def dies(ledger, celery_app, monkeypatch):
    """Sends the signal that a parent gets when the child with the job dies."""

    def _dies(held, error=None, **options):
        monkeypatch.setattr(signals.task_failure, "receivers", [])
        child_death.watch(ledger, Recovery(ledger, RedisResults(ledger.client), celery_app, 60), held, **options)
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
        """The child hung past its lease, and the sweeper gave its job to another worker, which draws it."""
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

    def test_the_job_that_it_drew_is_drawn_elsewhere_whatever_the_message_names(self, create, claim, read, dies):
        create()
        create("other")
        claim("generate-b", "other")
        dies(child_death.drawn_by("generate-b"), worker="generate-b")
        assert (read("other").status, read("other").attempt) == (S.QUEUED, 1)
        assert read().attempt == 0

    def test_a_finishers_job_is_finished_elsewhere(self, create, claim, dies, ledger, client):
        create()
        claim("generate-a")
        RedisResults(client).put(places.pixels("job", 1), {WHOLE: b"pixels"}, 60)
        ledger.run(moves.finish("job", 1, width=8, height=8, model="m"))
        dies(child_death.is_finishing)
        assert waiting_job_ids(client, FINISH) == {"job"}
