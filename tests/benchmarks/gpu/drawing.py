"""What the parts share: a worker's model at full size, a drawing, and results that run.py reads."""

from __future__ import annotations

import json
import statistics
import time

import torch
from full_size import random_checkpoint

from shared.gpus import free_bytes, list_gpus
from worker.flux.model import FluxModel
from worker.model import Drawing
from worker.settings import WorkerSettings

START = time.perf_counter()
STEPS = 28
GIB = 2**30
CARD = list_gpus()[0]
# Before this process has a context: what others have of the card, the tests that started it for one.
OTHERS_BYTES = CARD.memory_total_bytes - free_bytes(CARD.uuid)


def result(**fields) -> None:
    print("RESULT " + json.dumps(fields), flush=True)


def ready_seconds() -> float:
    return round(time.perf_counter() - START, 1)


def worker(checkpoint=None, **settings) -> FluxModel:
    """As the worker's child makes it, ready to draw."""
    config = WorkerSettings(_env_file=None, torch_device="cuda", warmup_steps=1, **settings)
    model = FluxModel(config, CARD, checkpoint or random_checkpoint())
    model.setup()
    return model


def draw(model, size, run=0, steps=STEPS, images=1):
    """Another prompt for each run, so that it is encoded."""
    what = Drawing(f"a red fox head, number {run}", size, tuple(range(images)), steps=steps)
    return model.generate(what, lambda _step, _steps: None)


def median_seconds(call, runs: int) -> float:
    """`call(run)`; the first is not counted."""
    times = []
    for run in range(runs + 1):
        start = time.perf_counter()
        call(run)
        times.append(time.perf_counter() - start)
    return round(statistics.median(times[1:]), 4)


def used_bytes() -> int:
    """Of the card, by this process: what its context takes is counted too."""
    return CARD.memory_total_bytes - free_bytes(CARD.uuid) - OTHERS_BYTES


def peak_gib() -> float:
    outside = used_bytes() - torch.cuda.memory_reserved()
    return round((outside + torch.cuda.max_memory_reserved()) / GIB, 2)
