"""The finisher on a real server: pixels that are gone or broken, jobs that are canceled meanwhile, and all outputs."""

import base64
import io
import random

import pytest
import structlog
from PIL import Image, ImageDraw

from shared.jobs import Job, JobStatus
from shared.ledger import counters, keys, moves, reads
from shared.queue import GENERATE, waiting_job_ids
from shared.results import places
from shared.results.places import WHOLE
from shared.results.redis_store import RedisResults
from tests.integration.worker.conftest import FakeModel
from worker.finish import encode
from worker.finish.finisher import Finisher
from worker.model import Pixels

S = JobStatus


def test_a_finisher_cancels_what_was_to_be_canceled(job, draw, finisher, client):
    draw(FakeModel())
    client.hset("logo:job:job", "cancel_requested", "1")
    finisher.finish("job")
    assert job().status is S.CANCELED


def test_pixels_that_are_gone_are_drawn_again(job, draw, finisher, client):
    draw(FakeModel())
    client.delete(places.pixels("job", 1).key)
    finisher.finish("job")
    assert (job().status, job().seed) == (S.QUEUED, 3)
    assert waiting_job_ids(client, GENERATE) == {"job"}


def test_pixels_that_cannot_be_encoded_fail_the_job(job, draw, finisher, ledger, client):
    draw(FakeModel())
    RedisResults(client).put(places.pixels("job", 1), {WHOLE: b"short"}, 60)
    finisher.finish("job")
    assert (job().status, job().error_code) == (S.FAILED, "finish_failed")


def test_canceled_while_it_was_encoded(job, draw, finisher, ledger, client, monkeypatch):
    draw(FakeModel())

    def cancel_meanwhile(*_):
        ledger.run(moves.request_cancel("job", ttl_seconds=60))
        return {"64": "late"}

    monkeypatch.setattr("worker.finish.finisher.encode_images", cancel_meanwhile)
    finisher.finish("job")
    assert job().status is S.CANCELED
    assert not client.exists("logo:images:job:1")


def test_a_keys_own_retention_is_kept_to(job, draw, finisher, client):
    client.hset("logo:job:job", mapping={"result_ttl_seconds": 77, "job_ttl_seconds": 66})
    draw(FakeModel())
    finisher.finish("job")
    assert job().images_expire_at - job().finished_at == 77_000
    kept = [client.ttl(name) for name in ("logo:job:job", places.images("job", 1).key)]
    assert all(70 <= seconds <= 77 for seconds in kept)


EVERYTHING = {
    "formats": ("png", "webp", "jpeg", "avif", "svg"),
    "quality": 80,
    "transparent": True,
    "icons": True,
}


@pytest.fixture
def logo(ledger, draw):
    """Creates a job with these outputs and draws it: a disc on a plain ground, 128 pixels wide."""

    def _logo(job_id="logo", pixels=None, **outputs):
        job = Job(id=job_id, status=S.QUEUED, prompt="fox", sizes=(64, 128), seed=3, **outputs)
        ledger.run(moves.create(job, max_queue=9))
        draw(Drawn(pixels or disc().tobytes()), job_id)
        return lambda: ledger.run(reads.job(job_id)).job

    return _logo


class Drawn(FakeModel):
    def __init__(self, pixels):
        super().__init__()
        self.pixels = pixels

    def generate(self, drawing, on_step):
        super().generate(drawing, on_step)
        return Pixels(128, 128, self.pixels)


def disc():
    drawn = Image.new("RGB", (512, 512), "#f5f5f0")
    ImageDraw.Draw(drawn).ellipse((90, 90, 420, 420), fill="#203080")
    return drawn.resize((128, 128), Image.Resampling.LANCZOS)


def test_all_outputs_are_stored_and_in_the_record(logo, finisher, client):
    job = logo(**EVERYTHING)
    finisher.finish("logo")
    ended, stored = job(), RedisResults(client).get(places.images("logo", 1))
    assert (ended.status, ended.warnings) == (S.SUCCEEDED, ())
    names = {file.name for file in ended.files}
    assert names == {
        f"{size}{end}" for size in (64, 128) for end in ("-transparent.png", ".webp", ".jpeg", ".avif")
    } | {
        "logo.svg",
        "icons.zip",
    }
    assert stored.keys() == names | {"64", "128"}
    for file in ended.files:
        data = base64.b64decode(stored[file.name])
        assert len(data) == file.bytes
        if file.format in ("png", "webp", "jpeg", "avif"):
            assert Image.open(io.BytesIO(data)).size == (file.width, file.height)
    assert stored["64"] != stored["64-transparent.png"]
    assert "#203080" in ended.palette


def test_what_cannot_be_made_is_a_warning_in_the_log_the_record_and_the_counters(logo, finisher, client):
    noise = random.Random(3).randbytes(128 * 128 * 3)
    job = logo(pixels=noise, transparent=True)
    with structlog.testing.capture_logs() as logs:
        finisher.finish("logo")
    ended = job()
    assert ended.status is S.SUCCEEDED
    assert [warning.code for warning in ended.warnings] == ["background_not_uniform"]
    assert [(entry["event"], entry["code"]) for entry in logs if entry["event"] == "output.reduced"] == [
        ("output.reduced", "background_not_uniform")
    ]
    assert client.hget(keys.COUNTERS, counters.reduced("background_not_uniform")) == b"1"
    assert RedisResults(client).get(places.images("logo", 1)).keys() == {"64", "128"}


def test_a_finisher_that_was_paused_changes_nothing_of_what_its_successor_has_stored(
    logo, finisher, ledger, client, monkeypatch
):
    """Both finish the same attempt. The files of the second differ, as signed ones do."""
    job = logo(formats=("png", "svg"))
    second, sizes = [], []

    def successor(finished):
        if not second:
            second.append(True)
            finisher.finish("logo")
            sizes.append((job().files, RedisResults(client).get(places.images("logo", 1))))
            return dict.fromkeys(encode.encode_images(finished), "bGF0ZQ==")
        return encode.encode_images(finished)

    monkeypatch.setattr("worker.finish.finisher.encode_images", successor)
    finisher.finish("logo")
    assert sizes == [(job().files, RedisResults(client).get(places.images("logo", 1)))]
    assert job().status is S.SUCCEEDED


def test_outputs_have_estimates_of_their_own(logo, finisher, client):
    logo("plain")
    finisher.finish("plain")
    logo("svg", formats=("svg",), transparent=True)
    finisher.finish("svg")
    measured = {name.decode() for name in client.hgetall(keys.pace("fake"))}
    assert {"128x1:finish", "128x1:finish:svg+transparent"} <= measured


@pytest.mark.parametrize("refused", [True, False])
def test_a_drawing_that_safety_refuses_is_never_stored(logo, ledger, recovery, settings, client, monkeypatch, refused):
    """By the real classifier, whose threshold decides."""
    monkeypatch.setattr("worker.outputs.image_filter.THRESHOLD", 0.0 if refused else 0.8)
    strict = settings.model_copy(update={"safety": "both"})
    job = logo(num_images=1)
    with structlog.testing.capture_logs() as logs:
        Finisher(ledger, ledger, RedisResults(client), recovery, strict).finish("logo")
    ended = job()
    if refused:
        assert (ended.status, ended.error_code) == (S.FAILED, "content_filtered")
        assert client.keys("logo:images:*") == client.keys("logo:pixels:*") == []
        assert client.hget(keys.COUNTERS, counters.ended("failed", "content_filtered")) == b"1"
        assert "fox" not in repr(logs)
    else:
        assert ended.status is S.SUCCEEDED
