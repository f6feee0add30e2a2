"""The sweeper's loop on a real server: when it trusts leases, and when it leads."""

import threading
import time
from types import SimpleNamespace

import pytest
import redis
from kombu.exceptions import OperationalError

from worker import sweeper
from worker.settings import WorkerSettings
from worker.sweeping import Sweeper


@pytest.fixture
def run_sweeper(valkey, monkeypatch):
    """Runs a sweeper's loop in a thread. Each sweep calls `seen` with whether the loop trusts the leases."""

    class Enough(BaseException):
        pass

    over, threads = threading.Event(), []

    def sleep(_):
        if over.wait(0.02):
            raise Enough

    def _run(seen):
        def loop():
            with pytest.raises(Enough):
                sweeper.run(WorkerSettings(_env_file=None, redis_url=valkey.url))

        clock = SimpleNamespace(monotonic=time.monotonic, time=time.time, sleep=sleep)
        monkeypatch.setattr(Sweeper, "sweep", lambda _, *, leases=True: seen(leases))
        monkeypatch.setattr(sweeper, "time", clock)
        monkeypatch.setattr(sweeper, "LEASE_SECONDS", 0.5)
        threads.append(threading.Thread(target=loop))
        threads[0].start()

    yield _run
    over.set()
    threads[0].join()


def test_leases_are_not_trusted_for_ten_seconds_after_a_start_or_an_outage(settings, client, monkeypatch):
    """Holders cannot renew their leases in an outage."""

    class Enough(BaseException):
        pass

    clock, swept = [0.0], []

    def sweep(_, *, leases=True):
        swept.append(leases)
        if len(swept) == 6:
            raise redis.ConnectionError
        if len(swept) == 11:
            raise Enough

    monkeypatch.setattr("worker.sweeper.patient_client", lambda *_, **__: client)
    monkeypatch.setattr(Sweeper, "sweep", sweep)
    sleep = lambda seconds: clock.__setitem__(0, clock[0] + seconds)  # noqa: E731
    monkeypatch.setattr("worker.sweeper.time", SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep))
    with pytest.raises(Enough):
        sweeper.run(settings)
    assert swept == [False] * 5 + [True] + [False] * 4 + [True]


@pytest.mark.parametrize("outage", ["pause", "publish"])
def test_after_a_pause_or_where_nothing_is_published_leases_are_not_trusted(run_sweeper, client, monkeypatch, outage):
    """A late answer raises no error, but holders cannot renew their leases before it comes."""
    monkeypatch.setattr(sweeper, "ANSWER_SECONDS", 0.2)
    trusted, distrusted, fail = threading.Event(), threading.Event(), threading.Event()

    def seen(leases):
        if fail.is_set():
            fail.clear()
            raise OperationalError("no broker")
        (trusted if leases else distrusted).set()

    run_sweeper(seen)
    assert trusted.wait(5)
    distrusted.clear()
    if outage == "pause":
        client.execute_command("CLIENT", "PAUSE", 300)
    else:
        fail.set()
    assert distrusted.wait(5)


def test_a_full_redis_takes_no_trust_from_leases(run_sweeper, client):
    """Holders can renew them."""
    client.config_set("maxmemory", 1)
    after, refused, swept = [], threading.Event(), threading.Event()

    def seen(leases):
        if refused.is_set():
            after.append(leases)
            swept.set()
        elif leases:
            refused.set()
            client.set("any", 1)

    run_sweeper(seen)
    assert swept.wait(10)
    assert after[0] is True


def test_at_maxmemory_a_new_sweeper_leads_and_gives_the_lead_up(run_sweeper, client):
    swept = threading.Event()
    client.config_set("maxmemory", 1)
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        client.set("any", 1)
    run_sweeper(lambda _: swept.set())
    assert swept.wait(5)
    assert client.pttl("logo:sweeper") > 0
