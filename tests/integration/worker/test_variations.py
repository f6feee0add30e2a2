"""num_images: on the CPU model, in the finisher and over HTTP."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from shared.jobs import Job, JobStatus
from shared.ledger import moves
from shared.results import places
from shared.results.places import WHOLE
from shared.results.redis_store import RedisResults
from worker.finish.finisher import Finisher
from worker.flux.model import FluxModel
from worker.model import Drawing
from worker.recovery import Recovery
from worker.settings import WorkerSettings

EDGE = 256


@pytest.fixture(scope="module")
def draw():
    made = {}

    def _draw(batch, seeds, steps=3, report=lambda _step, _steps: None):
        if batch not in made:
            made[batch] = FluxModel(
                WorkerSettings(_env_file=None, torch_device="cpu", warmup_enabled=False, max_concurrent_jobs=batch),
                None,
            )
            made[batch].setup()
        pixels = made[batch].generate(Drawing("a green leaf", EDGE, seeds, steps=steps), report)
        return np.frombuffer(pixels.data, np.uint8).reshape(len(seeds), EDGE, EDGE, 3).astype(int)

    return _draw


@pytest.fixture(scope="module")
def alone(draw):
    return np.concatenate([draw(1, (seed,)) for seed in (7, 8, 9)])


def test_one_after_the_other_they_are_bit_for_bit_those_drawn_alone(draw, alone):
    assert np.array_equal(draw(1, (7, 8, 9)), alone)


def test_drawn_together_they_differ_from_those_drawn_alone_by_two_levels_at_most(draw, alone):
    """Because fp32 sums run in another order, before they are rounded to 8 bits."""
    assert np.abs(draw(2, (7, 8, 9)) - alone).max() <= 2
    assert np.abs(alone[0] - alone[1]).max() > 50


def test_progress_counts_the_steps_of_all_images(draw):
    reported = []
    draw(2, (7, 8, 9), steps=3, report=lambda *progress: reported.append(progress))
    assert reported == [(0, 9), (2, 9), (4, 9), (6, 9), (6, 9), (7, 9), (8, 9), (9, 9)]


def test_seeds_follow_the_first_and_go_round():
    job = Job(id="j", status=JobStatus.QUEUED, prompt="fox", sizes=(64,), seed=2**32 - 2, num_images=4)
    assert job.seeds == (2**32 - 2, 2**32 - 1, 0, 1)
    assert Job.from_record(job.to_record()) == job
    # An older version writes no `num_images`.
    before = {name: value for name, value in job.to_record().items() if name != "num_images"}
    assert Job.from_record(before).num_images == 1


def colour(encoded):
    return Image.open(io.BytesIO(base64.b64decode(encoded))).getpixel((5, 5))


async def test_each_is_stored_and_served(serve, ledger, celery_app, client):
    async with serve() as http:
        body = {"prompt": "fox", "sizes": [64, 32 * 4], "seed": 5, "num_images": 3}
        job = (await http.post("/api/jobs", json=body)).json()
        assert (job["num_images"], job["variations"]) == (3, [])
        claimed = ledger.run(moves.claim(job["id"], worker="w", delivery="d")).job
        assert claimed.seeds == (5, 6, 7)
        RedisResults(client).put(
            places.pixels(job["id"], 1), {WHOLE: b"".join(bytes([level]) * 64 * 64 * 3 for level in (10, 20, 30))}, 60
        )
        ledger.run(moves.finish(job["id"], 1, width=64, height=64, model="m"))
        settings = WorkerSettings(_env_file=None)
        Finisher(
            ledger,
            ledger,
            RedisResults(ledger.client),
            Recovery(ledger, RedisResults(ledger.client), celery_app, 60),
            settings,
        ).finish(job["id"])

        done = (await http.get(f"/api/jobs/{job['id']}")).json()
        assert [variation["seed"] for variation in done["variations"]] == [5, 6, 7]
        levels = [colour(variation["images"]["64"])[0] for variation in done["variations"]]
        assert levels == [10, 20, 30]
        assert done["images"] == done["variations"][0]["images"]
        assert set(done["images"]) == {"64", "128"}
        for variation, level in zip(done["variations"], levels, strict=True):
            png = (await http.get(variation["urls"]["128"])).content
            assert Image.open(io.BytesIO(png)).getpixel((5, 5)) == (level,) * 3
        assert done["urls"]["images"]["64"].endswith("/images/64.png")
        assert done["variations"][1]["urls"]["64"].endswith("/images/64-2.png")
        assert (await http.get(f"/api/jobs/{job['id']}/images/64-4.png")).status_code == 404

        light = (await http.get(f"/api/jobs/{job['id']}?include=none")).json()
        assert light["images"] is None
        assert [variation["images"] for variation in light["variations"]] == [None] * 3


@pytest.mark.parametrize("num_images", [0, 5, "many"])
async def test_one_to_four(serve, num_images):
    async with serve() as http:
        answer = await http.post("/api/jobs", json={"prompt": "fox", "num_images": num_images})
        assert answer.status_code == 422
        assert "num_images" in answer.json()["error"]["message"]


async def test_a_job_of_one_image_has_no_variations(serve, succeed):
    async with serve() as http:
        job = (await http.post("/api/jobs", json={"prompt": "fox", "sizes": [64]})).json()
        succeed(job["id"])
        done = (await http.get(f"/api/jobs/{job['id']}")).json()
        assert (done["num_images"], done["variations"], set(done["images"])) == (1, [], {"64"})
