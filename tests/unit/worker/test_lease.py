"""What a lease knows of the pace of its drawing."""

import time
from types import SimpleNamespace

import pytest

from worker.lease import Lease


@pytest.mark.parametrize(
    ("ends", "together", "seconds"),
    [
        ([0, 5, 7, 9], 1, 2),  # of the steps after the first, which has the prompt's encoding in it
        ([0, 5, 7, 9], 2, 1),  # of two images at once: a step of each
        ([0, 5], 1, 5),
        ([0], 1, None),
    ],
)
def test_the_mean_of_the_steps(monkeypatch, ends, together, seconds):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    lease = Lease(None, None, stall_seconds=60)
    for step, end in enumerate(ends):
        clock.now = 200.0 + end
        lease.step(step * together, (len(ends) - 1) * together)
    assert lease.step_seconds == seconds
