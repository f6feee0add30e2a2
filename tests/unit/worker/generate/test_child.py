"""The generate worker's child."""

import os
import signal
from types import SimpleNamespace

import pytest

from worker.generate import child


def test_after_a_load_that_failed_the_worker_waits_before_it_ends(monkeypatch):
    happened = []
    clock = iter(range(0, 1000, 10))

    class Ended(BaseException):
        pass

    def end(code):
        raise Ended

    monkeypatch.setattr(child, "load", lambda *_: 1 / 0)
    monkeypatch.setattr(child.readiness, "announce", lambda _: None)
    fake = SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda _: happened.append("waited"))
    monkeypatch.setattr(child, "time", fake)
    monkeypatch.setattr(child.os, "kill", lambda pid, sent: happened.append((pid, sent)))
    monkeypatch.setattr(child.os, "_exit", end)
    with pytest.raises(Ended):
        child.set_up(None, None, None, "w")
    assert happened == ["waited"] * 2 + [(os.getppid(), signal.SIGQUIT)]
