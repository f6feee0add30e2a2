"""`python -m worker.mini.evaluate --same-but`: how far image to image goes from its image at each strength.

Each image is a drawing of the CPU model; the text asks for another symbol. Distances are mean differences of 255.
"""

from __future__ import annotations

import io
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from rich.progress import track

from shared.canvas import Canvas
from worker.flux.model import FluxModel
from worker.model import Drawing
from worker.prompts import enhance
from worker.settings import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from worker.mini.evaluate import Case

SQUARE = Canvas(256, 256)
STRENGTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
# What the autoencoder loses of a drawing of the model's own, at most.
MOST_LOST = 3.0


def evaluate(cases: Sequence[Case], steps: int | None = None) -> bool:
    """Prints the median of each strength, and returns whether strength 0 is the image, 1 is the text alone, and each of
    the medians is larger than that before it.
    """
    model = FluxModel(WorkerSettings(torch_device="cpu", warmup_enabled=False), None)
    model.setup()
    found: dict[float, list[float]] = {strength: [] for strength in STRENGTHS}
    as_text = 0
    for case, other in track(list(zip(cases, [*cases[1:], cases[0]], strict=True)), description="drawing"):
        given = _draw(model, Drawing(enhance(case.prompt), SQUARE, (case.seed,), steps))
        text = Drawing(enhance(other.prompt), SQUARE, (other.seed,), steps)
        for strength in STRENGTHS:
            drawn = _draw(
                model, Drawing(text.prompt, text.size, text.seeds, steps, image=_png(given), strength=strength)
            )
            found[strength].append(float(np.abs(drawn - given).mean()))
        as_text += np.array_equal(drawn, _draw(model, text))
    medians = [median(distances) for distances in found.values()]
    for strength, distances in found.items():
        print(f"strength {strength}: median {median(distances):.2f}, most {max(distances):.2f} of 255")  # noqa: T201
    print(f"strength 1 is the drawing of the text alone: {as_text} of {len(cases)}")  # noqa: T201
    rising = all(after > before for before, after in pairwise(medians))
    return rising and as_text == len(cases) and max(found[0.0]) <= MOST_LOST


def _draw(model: FluxModel, drawing: Drawing) -> NDArray[np.float64]:
    pixels = model.generate(drawing, lambda *_: None)
    return np.frombuffer(pixels.data, np.uint8).reshape(pixels.height, pixels.width, 3).astype(float)


def _png(picture: NDArray[np.float64]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
