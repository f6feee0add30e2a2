"""What a lease knows of the pace of its drawing."""

import time
from types import SimpleNamespace

import pytest

from worker.lease import Lease


@pytest.mark.parametrize(
    ("ends", "seconds"),
    [
        ([0, 5, 7, 9], 2),  # of the steps after the first, which has the prompt's encoding in it
        ([0, 5], 5),
        ([0], None),
    ],
)
def test_the_mean_of_the_steps(monkeypatch, ends, seconds):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    lease = Lease(None, None, stall_seconds=60)
    for step, end in enumerate(ends):
        clock.now = 200.0 + end
        lease.step(step, len(ends) - 1)
    assert lease.step_seconds == seconds
