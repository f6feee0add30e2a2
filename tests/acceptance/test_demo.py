"""`make demo`, ended in its midst: no process of its stack outlives it."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

# Like a shell's foreground process: one started in the background ignores SIGINT, and one under nohup SIGHUP.
DEMO = ["env", "--default-signal=INT", "--default-signal=HUP", sys.executable, "-m", "shared.stack.demo"]


FURTHER = [pytest.param(number, marks=pytest.mark.slow) for number in (signal.SIGINT, signal.SIGTERM)]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL, *FURTHER])
def test_a_demo_that_ends_takes_its_stack_with_it(tmp_path, number):
    checkout = str(Path(__file__).parents[2])
    env = os.environ | {"PYTHONPATH": checkout, "PROMPT": "a leaf", "SIZES": "64", "TMPDIR": str(tmp_path)}
    demo = subprocess.Popen(DEMO, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True)
    process, stack = psutil.Process(demo.pid), []
    try:
        while not (stack and stack[0].children()):
            assert demo.poll() is None, demo.stderr.read()
            time.sleep(0.05)
            stack = process.children()
        stack += stack[0].children(recursive=True)
        demo.send_signal(number)
        error = demo.communicate(timeout=30)[1]
        assert demo.returncode == (-number if number == signal.SIGKILL else 128 + number)
        assert not re.search("Traceback", error), error
        _, left = psutil.wait_procs(stack, 30)
        assert left == []
    finally:
        for one in [*stack, *([process] if process.is_running() else [])]:
            if one.is_running():
                one.kill()
