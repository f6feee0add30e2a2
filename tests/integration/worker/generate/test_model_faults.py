"""What happens to a drawing whose card runs out of memory, fails, or computes nonsense; on the CPU model."""

import signal

import pytest
import torch

from shared.jobs import Job, JobStatus
from shared.ledger import counters, keys, moves, reads, replies
from shared.observability import metrics
from shared.results.redis_store import RedisResults
from worker.flux.model import FluxModel
from worker.generate.generator import Generator
from worker.lease import Stopped
from worker.model import Device, DeviceLost, Drawing, GenerationError
from worker.settings import WorkerSettings

DRAWING = Drawing("a green leaf", 256, (1, 2, 3, 4), steps=2)


@pytest.fixture(scope="module")
def loaded():
    settings = WorkerSettings(_env_file=None, torch_device="cpu", warmup_enabled=False, max_concurrent_jobs=4)
    model = FluxModel(settings, None)
    model.setup()
    return model


@pytest.fixture
def model(loaded, monkeypatch):
    """The CPU model, whose transformer and autoencoder are restored after the test."""
    for part in ("transformer", "vae"):
        module = getattr(loaded._pipeline, part)
        monkeypatch.setattr(module, "forward", module.forward)
    monkeypatch.setattr(loaded._pipeline.vae, "decode", loaded._pipeline.vae.decode)
    return loaded


def short_of_memory(model, most):
    """Makes batches of more than `most` images run out of memory; returns the batches that were tried."""
    forward, tried = model._pipeline.transformer.forward, []

    def bounded(**inputs):
        images = len(inputs["hidden_states"])
        if tried[-1:] != [images]:
            tried.append(images)
        if images > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(**inputs)

    model._pipeline.transformer.forward = bounded
    return tried


def test_out_of_memory_is_tried_again_in_smaller_batches(model):
    tried = short_of_memory(model, 2)
    pixels = model.generate(DRAWING, lambda *_: None)
    assert tried == [4, 2]
    assert len(pixels.data) == 4 * 256 * 256 * 3
    assert not model._pipeline.vae.use_tiling


def test_out_of_memory_twice_is_an_error_of_the_job_and_the_worker_lives(model):
    short_of_memory(model, 0)
    with pytest.raises(GenerationError) as caught:
        model.generate(DRAWING, lambda *_: None)
    assert caught.value.code == "gpu_out_of_memory"


def test_out_of_memory_is_counted(model, ledger, celery_app, client):
    def counted():
        metrics_ = metrics.of_counters(counters.parse(client.hgetall(keys.COUNTERS)))
        (value,) = [m.samples[0].value for m in metrics_ if m.name == "logo_out_of_memory"]
        return value

    assert counted() == 0
    short_of_memory(model, 0)
    ledger.run(moves.create(Job(id="job", status=JobStatus.QUEUED, prompt="fox", sizes=(64,), seed=3), max_queue=9))
    Generator(
        "w", model, ledger, ledger, RedisResults(ledger.client), celery_app, WorkerSettings(_env_file=None)
    ).generate("job")
    assert ledger.run(reads.job("job")).job.error_code == "gpu_out_of_memory"
    assert counted() == 1


def test_a_single_image_is_decoded_in_tiles_the_second_time(model):
    vae, tiled = model._pipeline.vae, []
    decode = vae.decode

    def bounded(*args, **kwargs):
        tiled.append(vae.use_tiling)
        if not vae.use_tiling:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return decode(*args, **kwargs)

    vae.decode = bounded
    assert model.generate(Drawing("a green leaf", 256, (1,), steps=1), lambda *_: None)
    assert tiled == [False, True]
    assert not vae.use_tiling


@pytest.mark.parametrize(("value", "code"), [(float("nan"), "output_not_finite"), (-1.0, "output_black")])
def test_nonsense_is_an_error(model, value, code):
    vae = model._pipeline.vae
    vae.decode = lambda latents, **_: (torch.full((len(latents), 3, 256, 256), value),)
    with pytest.raises(GenerationError) as caught:
        model.generate(DRAWING, lambda *_: None)
    assert caught.value.code == code


def test_one_black_image_among_others_is_an_error(model):
    def decode(latents, **_):
        images = torch.zeros(len(latents), 3, 256, 256)
        images[2] = -1
        return (images,)

    model._pipeline.vae.decode = decode
    with pytest.raises(GenerationError, match="black"):
        model.generate(DRAWING, lambda *_: None)


@pytest.mark.parametrize(("answers", "raised"), [(True, RuntimeError), (False, DeviceLost)])
def test_a_card_that_answers_no_more_is_lost(model, monkeypatch, answers, raised):
    def broken(**_):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    model._pipeline.transformer.forward = broken
    monkeypatch.setattr(model, "_answers", lambda: answers)
    with pytest.raises(raised, match="illegal memory access"):
        model.generate(DRAWING, lambda *_: None)


def test_a_stop_is_passed_on_from_within_the_loop(model):
    reached = []

    def on_step(step, _steps):
        reached.append(step)
        if step:
            raise Stopped(replies.Hold.CANCEL)

    with pytest.raises(Stopped):
        model.generate(DRAWING, on_step)
    assert reached == [0, 4]


def test_a_process_whose_card_is_lost_ends_and_leaves_the_job_to_its_parent(ledger, celery_app, monkeypatch):
    class Lost:
        name = "lost"

        def generate(self, _drawing, _on_step):
            raise DeviceLost("illegal memory access")

        def device(self):
            return Device("cuda", "card")

    killed = []
    monkeypatch.setattr("worker.generate.generator.os.kill", lambda pid, sent: killed.append(sent))
    job = Job(id="job", status=JobStatus.QUEUED, prompt="fox", sizes=(64,), seed=3)
    ledger.run(moves.create(job, max_queue=9))
    with pytest.raises(DeviceLost):
        Generator(
            "w", Lost(), ledger, ledger, RedisResults(ledger.client), celery_app, WorkerSettings(_env_file=None)
        ).generate("job")
    assert killed == [signal.SIGKILL]
    # The parent requeues the job (worker/child_death.py).
    assert ledger.run(reads.job("job")).job.status is JobStatus.RUNNING
