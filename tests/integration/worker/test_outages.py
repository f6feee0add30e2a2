"""Redis goes away at each stage of a job, under the workers' own code and time-outs. Each stage has its own server."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.connection import patient_client
from shared.jobs import Job, JobStatus
from shared.ledger import moves, reads
from shared.ledger.run import Ledger
from shared.queue import OUTAGE_BUDGET_SECONDS, make_celery
from shared.results import places
from shared.results.redis_store import RedisResults
from tests.conftest import Valkey
from worker.finish.finisher import Finisher
from worker.generate.generator import Generator
from worker.model import Device, Pixels
from worker.recovery import Recovery
from worker.settings import WorkerSettings

# The workers' calls for a job, in their order; the server dies before one of them.
STAGES = (
    "claim",
    "mid-denoise",
    "store pixels",
    "finish",
    "read",
    "load pixels",
    "store images",
    "succeed",
)


class Outage:
    """Kills the server before a stage, once, and starts it again after `seconds`."""

    def __init__(self, server, stage, seconds):
        self.server, self.stage, self.seconds = server, stage, seconds
        self.over = threading.Event()

    def before(self, stage):
        if stage == self.stage and not self.over.is_set():
            self.over.set()
            self.server.kill()
            threading.Timer(self.seconds, self.server.start).start()


class WatchedLedger(Ledger):
    """Announces each command; the second claim finds no job."""

    def __init__(self, client, outage):
        super().__init__(client)
        self.outage, self.moves = outage, iter(("claim", "finish", "claim", "read", "succeed"))

    def run(self, command):
        self.outage.before(next(self.moves))
        return super().run(command)


class Model:
    name = "fake"

    def __init__(self, outage):
        self.outage = outage

    def setup(self):
        pass

    def device(self):
        return Device("cpu", "cpu")

    def generate(self, drawing, on_step):
        for step in (1, 2):
            on_step(step, 2)
            self.outage.before("mid-denoise")
        return Pixels(64, 64, bytes([128]) * 64 * 64 * 3)


class WatchedResults(RedisResults):
    """Announces each call of the workers."""

    def __init__(self, client, outage):
        super().__init__(client)
        self.outage = outage

    def put(self, place, parts, ttl_seconds):
        self.outage.before(f"store {place.kind}")
        super().put(place, parts, ttl_seconds)

    def get(self, place):
        self.outage.before(f"load {place.kind}")
        return super().get(place)


@pytest.fixture
def drawn_across(tmp_path):
    """(stage, seconds of the outage) -> the job's status and attempt in the end, and its number of images."""

    def run(stage, seconds):
        directory = tmp_path / stage.replace(" ", "-")
        directory.mkdir()
        server = Valkey(directory)
        server.start()
        outage = Outage(server, stage, seconds)
        client = patient_client(server.url, OUTAGE_BUDGET_SECONDS)
        fail_fast = Ledger(patient_client(server.url, outage_seconds=1))
        celery, settings = make_celery(server.url), WorkerSettings(_env_file=None, redis_url=server.url)
        new = Job(id="job", status=JobStatus.QUEUED, prompt="fox", sizes=(64,), seed=3)
        Ledger(client).run(moves.create(new, max_queue=9))
        ledger, results = WatchedLedger(client, outage), WatchedResults(client, outage)
        recovery = Recovery(ledger, results, celery, 60)
        try:
            Generator("w", Model(outage), ledger, fail_fast, results, celery, settings).generate("job")
            Finisher(ledger, fail_fast, results, recovery, settings).finish("job")
            assert outage.over.is_set()
            job = Ledger(client).run(reads.job("job")).job
            return job.status, job.attempt, len(RedisResults(client).get(places.images("job", 1)))
        finally:
            client.close()
            fail_fast.client.close()
            celery.close()
            server.kill()

    return run


@pytest.mark.parametrize("seconds", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_redis_away_at_each_stage_costs_no_attempt(drawn_across, seconds):
    with ThreadPoolExecutor(len(STAGES)) as pool:
        ends = dict(zip(STAGES, pool.map(lambda stage: drawn_across(stage, seconds), STAGES), strict=True))
    assert ends == dict.fromkeys(STAGES, (JobStatus.SUCCEEDED, 1, 1))
