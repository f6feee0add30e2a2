"""Oblongs beside the square of as many pixels, and image to image at half the strength, under a cap of 22.5 GB."""

import io
import time
from dataclasses import replace

import torch
from drawing import GIB, STEPS, median_seconds, peak_gib, ready_seconds, result, used_bytes, worker
from memory import CAPS_GIB, LATER_GIB
from PIL import Image

from shared.canvas import Canvas
from worker.model import Drawing

PLAN = "8bit"
SHAPES = [Canvas.of_aspect(aspect) for aspect in ("1:1", "2:1", "3:1", "4:1", "1:4")]


def main() -> None:
    total = torch.cuda.mem_get_info()[1]
    context = used_bytes() - torch.cuda.memory_reserved()
    torch.cuda.set_per_process_memory_fraction(((CAPS_GIB[PLAN] - LATER_GIB) * GIB - context) / total)
    model = worker(memory_plan=PLAN, served_sizes=",".join(map(str, SHAPES)))
    ready, firsts, seconds = ready_seconds(), {}, {}
    for size in SHAPES:
        what = Drawing("a red fox head", size, (0,), steps=STEPS)
        start = time.perf_counter()
        drawn = model.generate(what, lambda *_: None)
        firsts[str(size)] = round(time.perf_counter() - start, 3)
        assert (drawn.width, drawn.height) == (size.width, size.height)
        seconds[str(size)] = median_seconds(lambda _, what=what: model.generate(what, lambda *_: None), 2)
    buffer = io.BytesIO()
    Image.effect_noise((1024, 1024), 60).save(buffer, "PNG")
    square = Drawing("a red fox head", SHAPES[0], (0,), steps=STEPS)
    from_image = replace(square, image=buffer.getvalue(), strength=0.5)
    half = median_seconds(lambda _: model.generate(from_image, lambda *_: None), 2)
    result(part="shapes", cap=CAPS_GIB[PLAN], peak=peak_gib(), ready=ready, first=firsts, seconds=seconds, half=half)


if __name__ == "__main__":
    main()
