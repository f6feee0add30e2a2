"""The import of the engine in the parent of a generate worker."""

import subprocess
import sys

CODE = """
import os, threading
from worker.generate.child import import_engine
from worker.settings import WorkerSettings

engine = import_engine(WorkerSettings(), None)
import torch
assert engine.__name__ == "FluxModel"
assert not torch.cuda.is_initialized()
print([thread.name for thread in threading.enumerate()], len(os.listdir("/proc/self/task")))
"""


def test_the_parent_may_fork_after_it():
    """It touches no card, and starts no thread but those of BLAS, which end before a fork."""
    out = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "['MainThread'] 1"
