"""With the CPU model's weights on the card, 50 prompts: PSNR against eager fp32, and how often the symbol is right."""

from dataclasses import replace

import numpy as np
from drawing import STEPS, result, worker
from PIL import Image

from worker.flux import model as flux
from worker.flux.checkpoint import CPU_MODEL_PATH, Checkpoint
from worker.flux.install import install
from worker.flux.speed_plan import SPEED_PLANS
from worker.mini import evaluate
from worker.model import Drawing
from worker.prompts import enhance

CASES = evaluate.held_out_cases(50)
# name, memory plan, speed plan (None: eager)
WAYS = (
    ("eager fp32", "full", None),
    ("eager bf16", "full", None),
    ("exact", "full", SPEED_PLANS["exact"]),
    ("fast", "full", SPEED_PLANS["fast"]),
    ("draft", "full", SPEED_PLANS["draft"]),
    ("draft, one step of three", "full", replace(SPEED_PLANS["draft"], interval=3)),
    ("8bit", "8bit", SPEED_PLANS["exact"]),
    ("4bit", "4bit", SPEED_PLANS["exact"]),
)


def images_of(way: str, memory_plan: str, speed) -> list[Image.Image]:
    # The settings name plans; here they are handed over.
    flux.install = (lambda pipeline, _, *rest: install(pipeline, speed, *rest)) if speed else (lambda *_: None)
    half = way != "eager fp32"
    checkpoint = Checkpoint(CPU_MODEL_PATH)
    model = worker(checkpoint, memory_plan=memory_plan, use_fp16=half, warmup_enabled=False)
    images = []
    for case in CASES:
        prompt = enhance(case.prompt) if case.enhanced else case.prompt
        pixels = model.generate(Drawing(prompt, 256, (case.seed,), steps=STEPS), lambda _step, _steps: None)
        images.append(Image.frombytes("RGB", (pixels.width, pixels.height), pixels.data))
    return images


def main() -> None:
    reference = None
    for way, memory_plan, speed in WAYS:
        try:
            images = images_of(way, memory_plan, speed)
        except Exception as error:  # noqa: BLE001 - the other ways are measured all the same
            result(part="fidelity", way=way, error=repr(error)[:300])
            continue
        arrays = np.stack([np.asarray(image, dtype=float) for image in images])
        reference = arrays if reference is None else reference
        errors = np.maximum(((arrays - reference) ** 2).mean((1, 2, 3)), 1e-9)
        psnr = {"of all": errors.mean(), "median": np.median(errors), "worst": errors.max()}
        right = sum(evaluate.judge(image, case).symbol for image, case in zip(images, CASES, strict=True))
        decibels = {name: round(float(10 * np.log10(255**2 / error)), 2) for name, error in psnr.items()}
        result(part="fidelity", way=way, **decibels, right=right, prompts=len(CASES))


if __name__ == "__main__":
    main()
