"""A worker that an operator holds takes no messages, and a draining one ends its process as its supervisor would."""

import os
import signal
from types import SimpleNamespace

import pytest

from shared.queue import GENERATE
from worker.generate import readiness


class Consumer:
    """The parent's consumer as the gate sees it, with one living child."""

    def __init__(self):
        self.open = set()
        self.pool = SimpleNamespace(_pool=SimpleNamespace(_pool=[SimpleNamespace(pid=5, exitcode=None)]))
        self.task_consumer = SimpleNamespace(consuming_from=self.open.__contains__)
        self.add_task_queue = self.open.add
        self.cancel_task_queue = self.open.discard


@pytest.fixture
def killed(monkeypatch):
    signals = []
    monkeypatch.setattr(readiness, "_warm_pid", SimpleNamespace(value=5))
    monkeypatch.setattr(readiness, "_hold", SimpleNamespace(value=0))
    monkeypatch.setattr(readiness, "_drained", [])
    monkeypatch.setattr(os, "kill", lambda pid, number: signals.append((pid, number)))
    return signals


def test_the_gate_is_shut_while_it_is_paused(killed):
    consumer = Consumer()
    readiness.check(consumer)
    assert (consumer.open, readiness.means_to_consume()) == ({GENERATE}, True)
    readiness.told("paused")
    readiness.check(consumer)
    readiness.check(consumer)
    # The watchdog must not take it for deaf.
    assert (consumer.open, readiness.means_to_consume(), readiness.warm()) == (set(), False, True)
    readiness.told("")
    readiness.check(consumer)
    assert (consumer.open, killed) == ({GENERATE}, [])


def test_a_draining_one_ends_once(killed):
    consumer = Consumer()
    readiness.check(consumer)
    readiness.told("draining")
    readiness.check(consumer)
    readiness.check(consumer)
    assert (consumer.open, killed) == (set(), [(os.getpid(), signal.SIGTERM)])


def test_one_that_was_paused_drains_too(killed):
    consumer = Consumer()
    readiness.told("paused")
    readiness.check(consumer)
    readiness.told("draining")
    readiness.check(consumer)
    assert killed == [(os.getpid(), signal.SIGTERM)]
