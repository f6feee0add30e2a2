"""The mean step time that a lease measures."""

import time
from types import SimpleNamespace

import pytest

from worker.lease import Lease


@pytest.mark.parametrize(
    ("ends", "together", "seconds"),
    [
        ([0, 5, 7, 9], 1, 2),  # without the first step, which includes the prompt's encoding
        ([0, 5, 7, 9], 2, 1),  # two images at once: each report is of two steps
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
