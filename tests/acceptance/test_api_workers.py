"""Several API processes behind one port, as processes, with signals."""

import contextlib
import signal
import time

import httpx
import psutil
import pytest


@pytest.fixture
def api(new_api):
    return new_api(API_WORKERS="2")


def workers(api):
    """The process ids of those that the supervisor has now."""
    found = set()
    for process in psutil.Process(api.process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # or ZombieProcess, which is one: it has ended
            if "spawn_main" in " ".join(process.cmdline()):
                found.add(process.pid)
    return found


def ask(api, path="/health/live"):
    """Over a connection of its own, which any of the processes may take."""
    return httpx.get(api.url + path, timeout=20)


def metrics(api):
    text = ask(api, "/metrics").text
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line[:1] != "#"}


def until(condition, seconds=240):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def test_they_add_up_are_replaced_and_end_together(api):
    asked = 'logo_http_requests_total{method="GET",route="/health/live",status="200"}'
    until(lambda: len(workers(api)) == 2)
    before = metrics(api)[asked]
    for _ in range(20):
        assert ask(api).is_success
    # Whichever process is scraped tells of all calls, and of the CPU time and memory of both.
    assert {metrics(api)[asked] - before for _ in range(6)} == {20}
    until(
        lambda: (
            metrics(api)["process_resident_memory_bytes"] > 1.5 * psutil.Process(min(workers(api))).memory_info().rss
        )
    )

    killed = min(workers(api))
    psutil.Process(killed).kill()
    until(lambda: killed not in workers(api) and len(workers(api)) == 2)
    assert metrics(api)[asked] - before >= 20  # what a process counted outlives it

    first = workers(api)
    api.process.send_signal(signal.SIGHUP)
    while first & workers(api):
        assert ask(api).is_success  # one by one: the port is always served
    assert len(workers(api)) == 2

    last = [psutil.Process(pid) for pid in workers(api)]
    api.process.send_signal(signal.SIGKILL)
    until(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in last))
