"""`today`, or a speed plan through the worker's own generate: from the prompt's text to raw pixels; and its profile."""

import sys
from concurrent.futures import ThreadPoolExecutor

from drawing import STEPS, draw, median_seconds, peak_gib, ready_seconds, result, worker
from full_size import FOLDER, todays_pipeline
from kernels import heaviest, milliseconds_of_a_step

from worker.flux.preview import Previews
from worker.model import Drawing

SIZES = (512, 1024)
# FLOPs of one step at batch 1, counted, over what a large bf16 product reached on an H100.
STEP_TFLOPS = {512: 21.50, 1024: 74.38}
H100_BF16_TFLOPS = 770


def today() -> None:
    pipeline = todays_pipeline()
    ready = ready_seconds()
    for size in SIZES:

        def one(run, size=size):
            pipeline(f"a red fox head, number {run}", height=size, width=size, num_inference_steps=STEPS)

        result(part="speed", way="today", size=size, seconds=median_seconds(one, 2), ready=ready, peak=peak_gib())


def plan(name: str) -> None:
    model = worker(memory_plan="full", speed_plan=name)
    ready = ready_seconds()
    for size in SIZES:
        seconds = median_seconds(lambda run, size=size: draw(model, size, run), 4)
        known = median_seconds(lambda _run, size=size: draw(model, size), 2)
        result(part="speed", way=name, size=size, seconds=seconds, prompt_known=known, ready=ready, peak=peak_gib())
    if name == "fast":
        previews(model)
    if name == "draft":
        return
    for size in SIZES:
        some = lambda steps, size=size: draw(model, size, steps=steps)  # noqa: E731
        floor = round(STEP_TFLOPS[size] / H100_BF16_TFLOPS * 1000, 2)
        result(part="step", way=name, size=size, floor=floor, **milliseconds_of_a_step(some))
        for kernel, milliseconds, calls in heaviest(some):
            result(part="kernel", way=name, size=size, kernel=kernel, milliseconds=milliseconds, calls=calls)


def previews(model) -> None:
    """What they cost where the steps are shortest: pictures twice a second, encoded by the thread that a lease has."""
    pool = ThreadPoolExecutor(1)

    def one(run):
        seen = lambda _step, _steps, picture=None: picture and pool.submit(picture)  # noqa: E731
        model.generate(Drawing(f"a red fox head, number {run}", SIZES[0], (0,), steps=STEPS), seen)

    without = median_seconds(one, 6)
    model._previews = Previews(FOLDER, "cuda", 16)
    seconds = median_seconds(one, 6)
    model._previews = None
    result(part="previews", size=SIZES[0], seconds=seconds, without=without, ratio=round(seconds / without, 4))


if __name__ == "__main__":
    today() if sys.argv[1] == "today" else plan(sys.argv[1])
