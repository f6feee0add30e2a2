"""A generate worker whose model takes a card's time and draws what looks like its drawing: for `growth_measure.py`.

`python growth_worker.py STEP_SECONDS`: all but the model is the real worker.
"""

import sys
import time

import numpy as np

from tests import stub_worker
from worker.model import Pixels

STEPS = 28


def generate(drawing, on_step):
    for step in range(STEPS):
        on_step(step, STEPS)
        time.sleep(float(sys.argv[1]))
    on_step(STEPS, STEPS)
    return Pixels(drawing.size.width, drawing.size.height, picture(drawing.size.width, drawing.seeds[0]))


def picture(edge, seed):
    """A ground, a disc with a gradient, and the slight grain that a decoder leaves, which compresses badly."""
    down, across = np.mgrid[0:edge, 0:edge] / edge
    inside = (down - 0.5) ** 2 + (across - 0.5) ** 2 < 0.1
    image = np.where(inside[..., None], np.stack([200 * down, 90 * across, 120 + 60 * down], -1), 244)
    grain = np.random.default_rng(seed).normal(0, 1, image.shape)
    return np.clip(image + grain, 0, 255).astype(np.uint8).tobytes()


if __name__ == "__main__":
    stub_worker.run(generate, "growth")
