"""Eight real processes contend for faked cards with real locks."""

import fcntl
import json
import os
import random
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from shared.gpus import Gpu
from worker.generate.pinning import take_gpu

CARDS, CONTENDERS = 4, 8
# A worker with a child that shares the lock and ends with its parent, like the child that holds the model.
CONTENDER = """
import json, os, sys, time
from pathlib import Path
from shared.gpus import Gpu
from shared.observability import logging
from worker.generate.pinning import take_gpu
logging.configure("INFO", "json", "generate")
gpus = [Gpu(i, f"GPU-{i}", "fake", 1) for i in range(int(sys.argv[2]))]
taken = take_gpu(Path(sys.argv[1]), sys.argv[3], lambda: gpus)
parent = os.getpid()
if os.fork() == 0:
    while os.getppid() == parent:
        time.sleep(0.02)
    os._exit(0)
print(json.dumps({"event": "holds", "uuid": taken.uuid, "visible": os.environ["CUDA_VISIBLE_DEVICES"]}), flush=True)
time.sleep(600)
"""


class Contender:
    def __init__(self, lock_dir, wanted="auto"):
        command = [sys.executable, "-c", CONTENDER, str(lock_dir), str(CARDS), wanted]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def until(self, *events):
        """The next of its log lines with one of these events."""
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] in events:
                return event
        raise AssertionError("ended without a card")

    def card(self):
        held = self.until("holds")
        assert held["uuid"] == held["visible"]
        return held["uuid"]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def contend(tmp_path):
    contenders = []

    def _contend(wanted="auto"):
        contenders.append(Contender(tmp_path / "locks", wanted))
        return contenders[-1]

    yield _contend
    for contender in contenders:
        contender.close()


def locked(lock_dir):
    """The cards whose lock somebody holds, seen from outside."""
    held = set()
    for path in lock_dir.glob("*.lock"):
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held.add(path.stem)
    return held


def test_eight_contend_for_four_cards_and_survivors_take_over(contend, tmp_path):
    contenders = [contend() for _ in range(CONTENDERS)]
    # Each logs one event: four hold a card of their own, four wait.
    said = {contender: contender.until("gpu.taken", "gpu.waiting") for contender in contenders}
    waiting = [contender for contender, event in said.items() if event["event"] == "gpu.waiting"]
    holders = {contender: contender.card() for contender in contenders if contender not in waiting}
    assert len(waiting) == CONTENDERS - CARDS
    assert sorted(holders.values()) == [f"GPU-{number}" for number in range(CARDS)]
    chance = random.Random(7)
    while waiting:
        victim = chance.choice(list(holders))
        freed = holders.pop(victim)
        victim.kill()
        died = time.monotonic()
        # One of the waiting processes gets the free card: the first that logs it.
        successor = _first_to_hold(waiting)
        assert time.monotonic() - died < 5
        assert successor.card() == freed
        waiting.remove(successor)
        holders[successor] = freed
        assert len(set(holders.values())) == CARDS
        assert len(locked(tmp_path / "locks")) == CARDS


def _first_to_hold(waiting):

    with selectors.DefaultSelector() as selector:
        for contender in waiting:
            selector.register(contender.process.stdout, selectors.EVENT_READ, contender)
        ((key, _), *others) = selector.select(10)
        assert others == [], "two said that they took one card"
        return key.data


def test_of_several_named_cards_one_is_taken(contend):
    assert {contend("1,GPU-3").card(), contend("1,GPU-3").card()} == {"GPU-1", "GPU-3"}
    assert contend("1,GPU-3").until("gpu.waiting")["candidates"] == ["GPU-1", "GPU-3"]


@pytest.mark.parametrize("wanted", ["2", "GPU-2"])
def test_a_card_named_by_hand_is_waited_for_although_others_are_free(contend, wanted):
    first, second = contend(wanted), None
    assert first.card() == "GPU-2"
    second = contend(wanted)
    assert second.until("gpu.waiting")["candidates"] == ["GPU-2"]
    assert contend().card() != "GPU-2"
    first.kill()
    assert second.card() == "GPU-2"


def test_a_card_may_be_named(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    gpus = [Gpu(0, "GPU-a", "fake", 1), Gpu(1, "GPU-b", "fake", 1)]
    assert take_gpu(tmp_path, "1", lambda: gpus) == gpus[1]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-b"
    assert take_gpu(tmp_path, "GPU-a", lambda: gpus) == gpus[0]
    with pytest.raises(SystemExit, match="GPU='7'"):
        take_gpu(tmp_path, "7", lambda: gpus)


def test_no_card_no_lock(tmp_path):
    assert take_gpu(tmp_path / "locks", "auto", list) is None
    assert not (tmp_path / "locks").exists()


USERS = """
import os, sys
from pathlib import Path
from shared.gpus import Gpu
from worker.generate.pinning import take_gpu
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
os.umask(0o077)
take_gpu(Path(sys.argv[1]), sys.argv[3], lambda: [Gpu(i, f"GPU-{i}", "fake", 1) for i in range(2)])
"""
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="becomes other users")


def take_as(user, lock_dir, card):
    command = [sys.executable, "-c", USERS, str(lock_dir), str(user), card]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def for_all():
    """A folder that every user may enter, as pytest's own is not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "locks"


@AS_ROOT
def test_users_share_locks_and_their_folder(for_all):
    for user, card in ((0, "0"), (10001, "0"), (10001, "1"), (10002, "1"), (0, "1")):
        result = take_as(user, for_all, card)
        assert result.returncode == 0, result.stderr
    assert for_all.stat().st_mode & 0o7777 == 0o1777
    assert {path.stat().st_mode & 0o777 for path in for_all.iterdir()} == {0o666}


@AS_ROOT
def test_a_lock_that_cannot_be_made_is_one_line(for_all):
    for_all.mkdir(mode=0o755)
    result = take_as(10001, for_all, "0")
    assert result.returncode == 2
    assert [line for line in result.stderr.splitlines() if "GPU_LOCK_DIR" in line] == result.stderr.splitlines()
    (for_all / "GPU-0.lock").touch(mode=0o600)
    assert "GPU-0.lock cannot be opened by user 10001: Permission denied" in take_as(10001, for_all, "0").stderr
