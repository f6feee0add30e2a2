"""Benchmarks print a ratio against a baseline of the same run: these machines are noisy, absolute times mean little."""

import statistics
import time

import pytest


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
