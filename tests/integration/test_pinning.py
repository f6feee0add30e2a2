"""Eight real processes contend for faked cards with real locks."""

import json
import signal
import subprocess
import sys
from collections import Counter

import pytest

from shared.gpus import Gpu
from worker.pinning import take_gpu

CONTENDER = """
import json, os, sys, time
from pathlib import Path
from shared.gpus import Gpu
from worker import pinning
pinning.POLL_SECONDS = 0.05
gpus = [Gpu(i, f"GPU-{i}", "fake", 1) for i in range(int(sys.argv[2]))]
taken = pinning.take_gpu(Path(sys.argv[1]), "auto", lambda: gpus)
print(json.dumps([taken.uuid, os.environ["CUDA_VISIBLE_DEVICES"]]), flush=True)
time.sleep(600)
"""


def contender(lock_dir, cards):
    return subprocess.Popen(
        [sys.executable, "-c", CONTENDER, str(lock_dir), str(cards)], stdout=subprocess.PIPE, text=True
    )


def taken(process):
    """The card that the process says it took; its log lines come first."""
    for line in process.stdout:
        if line.startswith("["):
            uuid, visible = json.loads(line)
            assert uuid == visible
            return uuid
    raise AssertionError("ended without a card")


def test_never_two_on_one_card_and_a_survivor_takes_over(tmp_path):
    cards = 4
    holders = [contender(tmp_path, cards) for _ in range(cards)]
    waiting = []
    try:
        assert Counter(map(taken, holders)) == {f"GPU-{i}": 1 for i in range(cards)}
        waiting = [contender(tmp_path, cards) for _ in range(4)]
        for round_ in range(cards):
            holders[round_].send_signal(signal.SIGKILL)
            holders[round_].wait()
        # Each card that became free was taken by exactly one of those that waited.
        assert Counter(map(taken, waiting)) == {f"GPU-{i}": 1 for i in range(cards)}
    finally:
        for process in holders + waiting:
            process.kill()
            process.wait()
            process.stdout.close()


def test_a_card_may_be_named(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    gpus = [Gpu(0, "GPU-a", "fake", 1), Gpu(1, "GPU-b", "fake", 1)]
    assert take_gpu(tmp_path, "1", lambda: gpus) == gpus[1]
    assert take_gpu(tmp_path, "GPU-a", lambda: gpus) == gpus[0]
    with pytest.raises(SystemExit, match="GPU='7'"):
        take_gpu(tmp_path, "7", lambda: gpus)


def test_no_card_no_lock(tmp_path):
    assert take_gpu(tmp_path / "locks", "auto", list) is None
    assert not (tmp_path / "locks").exists()
