"""The same code on a card: needs CUDA, and fails without it."""

import numpy as np
import pytest

from shared.gpus import list_gpus
from worker.flux import FluxModel
from worker.model import Drawing
from worker.settings import WorkerSettings

pytestmark = pytest.mark.gpu
DRAWING = Drawing("orange flame in a dark blue circle", 256, seeds=(7,), steps=8)


def draw(device, gpu, **settings):
    model = FluxModel(WorkerSettings(_env_file=None, torch_device=device, model_name="logo-mini", **settings), gpu)
    model.setup()
    pixels = model.generate(DRAWING, lambda _step, _steps: None)
    return model, np.frombuffer(pixels.data, np.uint8).astype(float)


@pytest.fixture(scope="module")
def gpu():
    (card, *_) = list_gpus()
    return card


@pytest.fixture(scope="module")
def on_cpu():
    return draw("cpu", None)[1]


@pytest.mark.parametrize(("use_fp16", "least_psnr"), [(False, 40), (True, 20)])
def test_a_seed_is_the_same_image_on_a_card_and_on_the_cpu(gpu, on_cpu, use_fp16, least_psnr):
    _, on_gpu = draw("cuda", gpu, use_fp16=use_fp16)
    psnr = 10 * np.log10(255**2 / np.mean((on_gpu - on_cpu) ** 2))
    print(f"half precision {use_fp16}: {psnr:.1f} dB against the CPU's fp32")
    assert psnr >= least_psnr


def test_the_card_is_described(gpu):
    model, _ = draw("cuda", gpu)
    device = model.device()
    assert (device.type, device.name, device.uuid) == ("cuda", gpu.name, gpu.uuid)
    assert 0 < device.memory_allocated_bytes <= device.memory_reserved_bytes < device.memory_total_bytes
