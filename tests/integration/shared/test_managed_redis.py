"""A managed Redis: one user, another database than the first, and none of the commands that its owner keeps."""

import pytest

from shared import redis_state
from shared.connection import patient_client
from shared.ledger import keys
from shared.ledger.run import Ledger
from shared.queue import FINISH, GENERATE, make_celery, waiting_job_ids
from shared.results.redis_store import RedisResults
from tests.integration.worker.conftest import FakeModel
from worker.finish.finisher import Finisher
from worker.generate.generator import Generator
from worker.recovery import Recovery
from worker.rewriting import Rewriting
from worker.settings import WorkerSettings
from worker.sweeping import Sweeper

# Besides those of which managed services speak, INFO, which some refuse.
REFUSED = (
    "config",
    "info",
    "bgrewriteaof",
    "bgsave",
    "save",
    "debug",
    "shutdown",
    "replicaof",
    "acl",
    "slowlog",
    "keys",
)


@pytest.fixture
def managed(own_valkey):
    with own_valkey.client() as client:
        refused = [f"-{name}" for name in REFUSED]
        everything = {"keys": ["*"], "channels": ["*"], "categories": ["+@all"]}
        client.acl_setuser("app", enabled=True, passwords=["+secret"], commands=refused, **everything)
        client.config_set("maxmemory-policy", "volatile-lru")  # by others
        client.config_set("maxmemory", "512mb")
    return own_valkey.url.replace("redis://", "redis://app:secret@").replace("/0", "/3")


async def test_a_job_is_drawn_and_forgotten(serve, managed, capfd):
    redis_state.refuse_cluster(managed)
    client, celery = patient_client(managed, 0), make_celery(managed)
    ledger, results = Ledger(client), RedisResults(client)
    settings = WorkerSettings(_env_file=None, redis_url=managed)
    recovery = Recovery(ledger, results, celery, 60)
    async with serve(redis_url=managed) as http:
        assert (await http.get("/health")).status_code == 200
        job = (await http.post("/api/jobs", json={"prompt": "a red fox", "sizes": [64]})).json()
        assert waiting_job_ids(client, GENERATE) == {job["id"]}
        Generator("w", FakeModel(), ledger, ledger, results, celery, settings).generate(job["id"])
        assert waiting_job_ids(client, FINISH) == {job["id"]}
        Finisher(ledger, ledger, results, recovery, settings).finish(job["id"])
        done = (await http.get(f"/api/jobs/{job['id']}?wait=5")).json()
        assert (done["status"], list(done["images"])) == ("succeeded", ["64"])
        assert (await http.delete(f"/api/jobs/{job['id']}?forget=true")).status_code == 200
        assert (await http.get("/metrics")).status_code == 200
    Sweeper(ledger, results, celery, 60).recover_lost()
    redis_state.Watch(client).look()
    Rewriting(client).look()
    assert client.get(keys.FORGOTTEN) == b"1"  # still to be rewritten, by whoever may
    assert "redis.dangerous" in "".join(capfd.readouterr())
    celery.close()
    client.close()
