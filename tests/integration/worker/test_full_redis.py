"""Redis at its maxmemory: no drawing is lost and no attempt burnt."""

import pytest
from kombu.exceptions import OperationalError

from shared.jobs import JobStatus
from shared.ledger import counters, keys
from shared.queue import FINISH
from tests.integration.worker.conftest import FakeModel

S = JobStatus


def drop_messages(client, queue):
    for key in client.keys(f"{queue}*"):
        client.delete(key)


def test_a_finish_try_counts_once_its_message_is_out(job, draw, recovery, client):
    draw(FakeModel())
    drop_messages(client, FINISH)
    client.config_set("maxmemory", 1)
    for _ in range(4):
        with pytest.raises(OperationalError):
            recovery.recover(job(), "lease_lost")
    assert (job().status, job().finish_tries) == (S.FINISHING, 0)
    assert int(client.hget(keys.COUNTERS, counters.recovered("lease_lost", S.FINISHING)) or 0) == 0


def test_what_is_counted_at_maxmemory_is_counted(client):
    client.config_set("maxmemory", 1)
    counters.count(client, counters.DEAF)
    assert client.hget(keys.COUNTERS, counters.DEAF) == b"1"
