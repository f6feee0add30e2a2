"""The warning that more is drawn in an hour than Redis' memory is planned for."""

from types import SimpleNamespace

import pytest
import structlog

from shared.ledger import counters, keys
from shared.schemas import MAX_PIXELS
from worker import outpacing
from worker.outpacing import Outpacing


@pytest.fixture
def look(client, monkeypatch):
    """Lets `jobs` of the largest be drawn within `minutes`, and looks each minute; returns the warnings."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(outpacing, "time", SimpleNamespace(monotonic=lambda: clock.now))
    watch = Outpacing(client, planned_jobs_per_hour=20)
    watch.look()

    def _look(jobs, minutes):
        with structlog.testing.capture_logs() as logs:
            for _ in range(minutes):
                clock.now += 60
                client.hincrby(keys.COUNTERS, counters.PIXELS, round(jobs * MAX_PIXELS / minutes))
                watch.look()
        return [entry for entry in logs if entry["event"] == "redis.outpaced"]

    return _look


def test_the_planned_rate_is_no_warning(look):
    assert look(jobs=19 * 3, minutes=180) == []


def test_more_than_planned_is_one_warning_an_hour(look):
    (warning,) = look(jobs=27, minutes=60)
    assert warning["planned"] == 20
    assert 20 < warning["jobs_in_an_hour"] < 22
    assert len(look(jobs=50, minutes=120)) in (1, 2)


def test_a_burst_is_enough(look):
    assert len(look(jobs=30, minutes=1)) == 1
