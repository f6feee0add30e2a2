"""The host's lead over the card, with events that a test completes."""

import pytest

from worker.flux import step_sync
from worker.flux.step_sync import StepSync


@pytest.fixture
def calls(monkeypatch):
    """Everything that happens, in order."""
    calls = []

    class Event:
        def __init__(self, *, blocking):
            self.number = sum(call[0] == "record" for call in calls) + 1

        def record(self):
            calls.append(("record", self.number))

        def synchronize(self):
            calls.append(("wait", self.number))

    monkeypatch.setattr(step_sync.torch.cuda, "Event", Event)
    return calls


def test_at_most_a_step_ahead_of_the_card(calls):
    sync = StepSync("cuda", lambda step: calls.append(("report", step)))
    for step in (1, 2, 3):
        sync.enqueued(step)
    sync.finish(3)
    assert calls == [
        ("record", 1),
        *[("record", 2), ("wait", 1), ("report", 1)],
        *[("record", 3), ("wait", 2), ("report", 2)],
        *[("wait", 3), ("report", 3)],
    ]


def test_off_a_card_each_step_is_done_when_it_returns(calls):
    sync = StepSync("cpu", lambda step: calls.append(("report", step)))
    sync.enqueued(1)
    sync.enqueued(2)
    sync.finish(2)
    assert calls == [("report", 1), ("report", 2)]
