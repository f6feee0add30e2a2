"""With the CPU model's weights on the card, 50 prompts: PSNR against eager fp32, and how often the symbol is right."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from drawing import STEPS, result, worker
from PIL import Image

from worker.flux import model as flux
from worker.flux.attention import Choice, Kernel
from worker.flux.checkpoint import CPU_MODEL_PATH, Checkpoint
from worker.flux.install import install
from worker.flux.speed_plan import SPEED_PLANS, SpeedPlan
from worker.flux.step_schedule import few
from worker.mini import evaluate
from worker.model import Drawing
from worker.prompts import enhance

CASES = evaluate.held_out_cases(50)


class Way(NamedTuple):
    name: str
    memory_plan: str
    speed: SpeedPlan | None  # None: eager
    # The CPU model's attentions are too small for another kernel to be the fastest.
    kernel: Kernel = Kernel.TORCH
    tokens: int = 64  # of text; the CPU model was trained with so many


EXACT, FAST, DRAFT = SPEED_PLANS["exact"], SPEED_PLANS["fast"], SPEED_PLANS["draft"]
WAYS = (
    Way("eager fp32", "full", None),
    Way("eager bf16", "full", None),
    Way("exact", "full", EXACT),
    Way("exact, flash3", "full", EXACT, Kernel.FLASH3),
    Way("fast", "full", FAST),
    Way("fast, each step computed", "full", replace(FAST, computed=None)),
    Way("fast, fp8 attention", "full", FAST, Kernel.FP8),
    Way("draft", "full", DRAFT),
    Way("draft, fp8 attention", "full", DRAFT, Kernel.FP8),
    Way("draft, 10 of 28 steps", "full", replace(DRAFT, computed=few(4))),
    Way("draft, 12 of 28 steps", "full", replace(DRAFT, computed=few(3))),
    Way("8bit", "8bit", EXACT),
    Way("4bit", "4bit", EXACT),
    Way("eager fp32, 48 tokens of text", "full", None, tokens=48),
)


def chosen(choice: Choice, kernel: Kernel) -> Kernel:
    assert kernel in choice._known, f"no {kernel} here"
    return kernel


def images_of(way: Way) -> list[Image.Image]:
    Choice.kernel = lambda choice, _x, _heads: chosen(choice, way.kernel)
    flux.FluxModel._text_tokens = lambda _model: way.tokens
    # The settings name plans; here they are handed over.
    speed = way.speed
    flux.install = (
        (lambda pipeline, _, *rest, **more: install(pipeline, speed, *rest, **more | {"fp8_attention": True}))
        if speed
        else (lambda *_, **__: None)
    )
    half = not way.name.startswith("eager fp32")
    checkpoint = Checkpoint(CPU_MODEL_PATH)
    model = worker(checkpoint, memory_plan=way.memory_plan, use_fp16=half, warmup_enabled=False)
    images = []
    for case in CASES:
        prompt = enhance(case.prompt) if case.enhanced else case.prompt
        pixels = model.generate(Drawing(prompt, 256, (case.seed,), steps=STEPS), lambda _step, _steps: None)
        images.append(Image.frombytes("RGB", (pixels.width, pixels.height), pixels.data))
    return images


def main() -> None:
    reference = None
    for way in WAYS:
        try:
            images = images_of(way)
        except Exception as error:  # noqa: BLE001 - the other ways are measured all the same
            result(part="fidelity", way=way.name, error=repr(error)[:300])
            continue
        arrays = np.stack([np.asarray(image, dtype=float) for image in images])
        reference = arrays if reference is None else reference
        errors = np.maximum(((arrays - reference) ** 2).mean((1, 2, 3)), 1e-9)
        psnr = {"of all": errors.mean(), "median": np.median(errors), "worst": errors.max()}
        right = sum(evaluate.judge(image, case).symbol for image, case in zip(images, CASES, strict=True))
        decibels = {name: round(float(10 * np.log10(255**2 / error)), 2) for name, error in psnr.items()}
        result(part="fidelity", way=way.name, **decibels, right=right, prompts=len(CASES))


if __name__ == "__main__":
    main()
