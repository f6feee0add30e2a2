"""The same code on a card: needs CUDA, and fails without it. The CPU model's weights, unless a test says otherwise."""

import io
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from shared.gpus import list_gpus
from shared.jobs import Job, JobStatus
from shared.ledger import moves, reads, replies
from shared.ledger.run import Ledger
from shared.queue import make_celery, send_generate
from worker.flux import denoiser, double_stream, linears, preview, products, rows, single_stream
from worker.flux.graphs import MORE_SHAPES, Graphs
from worker.flux.model import FluxModel
from worker.lease import Stopped
from worker.model import Drawing, GenerationError
from worker.settings import WorkerSettings

# torch and Triton of other versions than the locked ones warn of themselves.
pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore")]
DRAWING = Drawing("orange flame in a dark blue circle", 256, (7,), steps=8)


@pytest.fixture(scope="module")
def gpu():
    (card, *_) = list_gpus()
    return card


def make(gpu, device="cuda", **settings):
    config = {"torch_device": device, "model_name": "logo-mini", "served_sizes": "256", "warmup_steps": 1} | settings
    model = FluxModel(WorkerSettings(_env_file=None, **config), gpu)
    model.setup()
    return model


def draw(model, drawing=DRAWING, on_step=lambda *_: None):
    return np.frombuffer(model.generate(drawing, on_step).data, np.uint8).astype(float)


def psnr(a, b):
    return 10 * np.log10(255**2 / max(1e-9, np.mean((a - b) ** 2)))


@pytest.fixture(scope="module")
def on_cpu():
    return draw(make(None, "cpu"))


@pytest.fixture(scope="module")
def exact(gpu):
    return make(gpu)


@pytest.mark.parametrize(
    ("settings", "least"),
    [
        ({"use_fp16": False}, 40),
        ({}, 30),
        ({"speed_plan": "fast"}, 28),
        ({"speed_plan": "draft"}, 28),
        ({"memory_plan": "8bit"}, 28),
        ({"memory_plan": "4bit"}, 20),
        ({"memory_plan": "offload"}, 30),
    ],
    ids=["fp32", "exact", "fast", "draft", "8bit", "4bit", "offload"],
)
def test_a_seed_is_the_same_image_in_every_plan_and_on_the_cpu(gpu, on_cpu, settings, least):
    found = psnr(draw(make(gpu, **settings)), on_cpu)
    print(f"{settings}: {found:.1f} dB against the CPU's fp32")
    assert found >= least


def test_a_draft_skips_steps_of_a_longer_drawing_and_is_close(gpu):
    longer = Drawing(DRAWING.prompt, 256, (7,), steps=20)
    found = psnr(draw(make(gpu, speed_plan="draft"), longer), draw(make(None, "cpu"), longer))
    print(f"draft, 20 steps: {found:.1f} dB against the CPU's fp32")
    assert found >= 20


def test_the_card_is_described(gpu, exact):
    device = exact.device()
    assert (device.type, device.name, device.uuid) == ("cuda", gpu.name, gpu.uuid)
    assert 0 < device.memory_allocated_bytes <= device.memory_reserved_bytes < device.memory_total_bytes


def test_a_seed_is_the_same_image_again(exact):
    assert np.array_equal(draw(exact), draw(exact))
    other = Drawing(DRAWING.prompt, 256, (8,), steps=8)
    assert psnr(draw(exact, other), draw(exact)) < 40


def test_another_prompt_and_other_steps_replay_the_same_graph_with_other_numbers(exact, gpu):
    """What a graph has captured must be its shapes only."""
    other = Drawing("a green leaf", 256, (3,), steps=5, guidance=1.5)
    first = draw(exact)
    found = draw(exact, other)
    assert psnr(found, draw(make(None, "cpu"), other)) >= 20
    assert np.array_equal(draw(exact), first)


def test_two_streams_draw_what_one_does(gpu, exact, monkeypatch):
    """Also again and again: what one stream reads too early would be now the old, now the new."""
    monkeypatch.setattr(denoiser, "SIDE_STREAM_MAX_ROWS", 0)
    expected = draw(make(gpu))
    for _ in range(10):
        assert psnr(draw(exact), expected) >= 60


def test_previews_come_to_look_like_the_image_and_change_nothing(gpu, exact, monkeypatch):
    monkeypatch.setattr(preview, "MIN_SECONDS", 0)
    pictures = []
    found = draw(make(gpu, previews=True), on_step=lambda _step, _steps, made=None: made and pictures.append(made()))
    assert np.array_equal(found, draw(exact))
    last = Image.open(io.BytesIO(pictures[-1])).convert("RGB")
    small = Image.fromarray(found.reshape(256, 256, 3).astype(np.uint8)).resize(last.size)
    assert np.corrcoef(np.asarray(last).ravel(), np.asarray(small).ravel())[0, 1] > 0.8


def test_variations_together_and_alone(gpu):
    model = make(gpu, max_concurrent_jobs=2)
    three = draw(model, Drawing(DRAWING.prompt, 256, (7, 8, 9), steps=8)).reshape(3, -1)
    for seed, image in zip((7, 8, 9), three, strict=True):
        found = psnr(image, draw(model, Drawing(DRAWING.prompt, 256, (seed,), steps=8)))
        print(f"seed {seed}: {found:.1f} dB against the one drawn alone")
        assert found >= 25


def test_every_batch_is_ready_before_the_first_job(gpu, monkeypatch):
    """Nothing is compiled or captured in a job of one, two or three images; and more shapes than that are not kept."""
    model = make(gpu, max_concurrent_jobs=3)
    transformer, *_ = model._installed.graphs
    before = set(transformer._captured)
    assert len(before) == 3
    monkeypatch.setattr(transformer, "_capture", lambda *_: pytest.fail("captured in a job"))
    with torch._dynamo.config.patch(error_on_recompile=True):
        for images in (1, 2, 3):
            draw(model, Drawing(DRAWING.prompt, 256, tuple(range(images)), steps=2))
    assert set(transformer._captured) == before


def test_progress_is_at_most_a_step_behind_and_complete(exact):
    reported = []
    draw(exact, on_step=lambda *progress: reported.append(progress))
    assert reported == [(step, 8) for step in range(9)]


def test_a_cancel_takes_effect_within_a_step_and_frees_its_memory(exact):
    torch.cuda.synchronize()
    before, reached = torch.cuda.memory_allocated(), []

    def cancel(step, _steps):
        reached.append(step)
        if step == 3:
            raise Stopped(replies.Hold.CANCEL)

    with pytest.raises(Stopped):
        draw(exact, on_step=cancel)
    assert reached == [0, 1, 2, 3]
    assert torch.cuda.memory_allocated() - before < 2**20
    draw(exact)


def test_out_of_memory_is_an_error_of_the_job_and_the_next_one_is_drawn(gpu, exact):
    """A block of memory that leaves too little for another size, whose graph is not captured yet."""
    exact._free()
    rest = torch.cuda.mem_get_info()[0] - 4 * 2**20
    block = torch.empty(rest, dtype=torch.uint8, device="cuda")
    with pytest.raises(GenerationError) as caught:
        draw(exact, Drawing(DRAWING.prompt, 256, (1, 2, 3, 4), steps=2))
    assert caught.value.code == "gpu_out_of_memory"
    del block, caught
    torch.cuda.empty_cache()
    assert draw(exact, Drawing(DRAWING.prompt, 256, (1,), steps=2)).any()


def test_memory_that_runs_out_in_a_capture_with_the_side_stream_away_is_that_error(gpu, monkeypatch):
    """And the thread is on its own stream again, and the next call captures."""
    model = make(gpu)
    expected = draw(model)
    real, short = rows.to_rows, [True]

    def to_rows(*arguments, **named):
        if short[0] and torch.cuda.is_current_stream_capturing():
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(*arguments, **named)

    for module in (rows, products, double_stream, single_stream, linears):
        monkeypatch.setattr(module, "to_rows", to_rows)
    model._free()
    transformer, *_ = model._installed.graphs
    stream = torch.cuda.current_stream()
    with torch.inference_mode(), pytest.raises(torch.OutOfMemoryError):
        model._generate_batch(DRAWING, (7,), 0, lambda *_: None)
    assert torch.cuda.current_stream() == stream
    assert not transformer._captured
    with pytest.raises(GenerationError) as caught:
        draw(model)
    assert caught.value.code == "gpu_out_of_memory"
    short[0] = False
    assert psnr(draw(model), expected) >= 60


def test_graphs_of_other_shapes_go(gpu):
    graphs = Graphs(lambda x: x * 2)
    for size in range(1, 3 * MORE_SHAPES):
        assert graphs(torch.ones(size, device="cuda")).sum().item() == 2 * size
        assert len(graphs._captured) <= 1 + MORE_SHAPES


def test_not_finite_is_an_error(gpu):
    model = make(gpu)
    with torch.inference_mode():
        model._pipeline.vae.decoder.conv_out.weight.fill_(float("nan"))
    with pytest.raises(GenerationError) as caught:
        draw(model)
    assert caught.value.code == "output_not_finite"


def test_an_adapter_changes_the_image_as_on_the_cpu(gpu, tmp_path, on_cpu):
    generator = torch.Generator().manual_seed(1)
    name = "transformer.single_transformer_blocks.1.proj_mlp"
    down = torch.randn(4, 192, generator=generator)
    up = torch.randn(768, 4, generator=generator) * 0.1
    save_file({f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}, tmp_path / "adapter.safetensors")
    adapter = {"lora_paths": f"{tmp_path / 'adapter.safetensors'}:0.5"}
    expected = draw(make(None, "cpu", **adapter))
    assert psnr(expected, on_cpu) < 60
    found = draw(make(gpu, use_fp16=False, **adapter))
    assert psnr(found, expected) >= 40


POISON = """
import torch
from worker.flux.model import FluxModel
generate_batch = FluxModel._generate_batch
def poisoned(self, drawing, *rest):
    if drawing.prompt.startswith("poison") and not MARK.exists():
        MARK.touch()
        # An index far outside: the kernel's assertion leaves the context unusable.
        torch.zeros(4, device="cuda")[torch.tensor([10**6], device="cuda")].sum().item()
    return generate_batch(self, drawing, *rest)
"""


def test_a_poisoned_context_costs_an_attempt_and_a_child_but_not_the_job(valkey, tmp_path, gpu):
    """The real worker: its child ends, another loads, and the job is drawn at its second attempt."""
    script = tmp_path / "poisoned_worker.py"
    script.write_text(
        "from pathlib import Path\n"
        f"MARK = Path({str(tmp_path / 'done')!r})\n"
        "from worker.generate import child, main\n"
        "load = child.load\n"
        "def load_poisoned(*arguments):\n"
        + "".join(f"    {line}\n" for line in POISON.strip().splitlines())
        + "    FluxModel._generate_batch = poisoned\n"
        "    return load(*arguments)\n"
        "child.load = load_poisoned\n"
        "main.main()\n"
    )
    env = os.environ | {"REDIS_URL": valkey.url, "MODEL_NAME": "logo-mini", "SERVED_SIZES": "256"}
    env |= {"PYTHONPATH": os.pathsep.join([".", os.environ.get("PYTHONPATH", "")])}
    env |= {"GPU_LOCK_DIR": str(tmp_path / "locks"), "TORCH_DEVICE": "auto"}
    log = tmp_path / "worker.log"
    with log.open("w") as out:
        process = subprocess.Popen([sys.executable, str(script)], env=env, stdout=out, stderr=out)
    try:
        with valkey.client() as client:
            ledger, celery = Ledger(client), make_celery(valkey.url)
            ledger.run(moves.create(Job("job", JobStatus.QUEUED, "poison apple", (256,), seed=3), max_queue=9))
            send_generate(celery, "job", "")
            deadline = time.monotonic() + 240
            while (job := ledger.run(reads.job("job")).job).status not in (JobStatus.FINISHING, JobStatus.FAILED):
                assert time.monotonic() < deadline, log.read_text()[-4000:]
                assert process.poll() is None, log.read_text()[-4000:]
                time.sleep(0.2)
            assert (job.status, job.attempt) == (JobStatus.FINISHING, 2)
            assert "device.lost" in log.read_text()
            celery.close()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
