"""Benchmarks print ratios to a baseline of the same run, because absolute times mean little on noisy machines."""

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

import httpx
import pytest

from shared.stack.serve import free_port


@pytest.fixture
def median_seconds():
    def _median(call, runs, warm_ups=2):
        times = []
        for run in range(runs + warm_ups):
            start = time.perf_counter()
            call()
            if run >= warm_ups:
                times.append(time.perf_counter() - start)
        return statistics.median(times)

    return _median


@pytest.fixture
def report(capsys, request):
    """`report("a job", 1.2, "the drawing alone", 1.0)` prints both and the ratio."""

    def _report(name, seconds, baseline_name, baseline):
        times = f"{name}: {seconds * 1000:.2f} ms, {baseline_name}: {baseline * 1000:.2f} ms"
        with capsys.disabled():
            print(f"\n{times}, ratio {seconds / baseline:.2f}")

    return _report


@dataclass
class Stack:
    process: subprocess.Popen
    http: httpx.Client
    start_seconds: float  # until it was ready


@pytest.fixture
def stack(tmp_path):
    """A stack of its own; its log is the file `log` in `tmp_path`."""
    port = free_port()
    env = os.environ | {"HOST": "127.0.0.1", "PORT": str(port), "DATA_DIR": str(tmp_path)}
    start = time.perf_counter()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "shared.serve"], env=env, stdout=log, stderr=log)
    transport = httpx.HTTPTransport(retries=50)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=70, transport=transport) as http:
            while not http.get("/health/ready").is_success:
                assert process.poll() is None
                time.sleep(0.1)
            yield Stack(process, http, time.perf_counter() - start)
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def http(stack):
    """A client of a stack that is started for it."""
    return stack.http
