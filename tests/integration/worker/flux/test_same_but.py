"""Image to image on the CPU model: what comes back at each strength, and how many steps it costs."""

import io

import numpy as np
import pytest
from PIL import Image

from shared.strength import steps_drawn
from worker.flux.model import FluxModel
from worker.model import Drawing
from worker.settings import WorkerSettings

STEPS = 10
TEXT = Drawing("a blue cat on a white background", 256, (7,), steps=STEPS)


@pytest.fixture(scope="module")
def model():
    made = FluxModel(WorkerSettings(_env_file=None, torch_device="cpu", warmup_enabled=False), None)
    made.setup()
    return made


@pytest.fixture(scope="module")
def given(model):
    """A drawing of the model's own."""
    return draw(model, Drawing("a green leaf in a white circle", 256, (3,), steps=STEPS))[0]


def draw(model, drawing):
    reported = []
    pixels = model.generate(drawing, lambda step, steps, *_: reported.append((step, steps)))
    shape = (len(drawing.seeds), pixels.height, pixels.width, 3)
    return np.frombuffer(pixels.data, np.uint8).reshape(shape)[0], reported


def changed(given, strength, seeds=(7,)):
    buffer = io.BytesIO()
    Image.fromarray(given).save(buffer, "PNG")
    return Drawing(TEXT.prompt, 256, seeds, steps=STEPS, image=buffer.getvalue(), strength=strength)


def distance(a, b):
    return float(np.abs(a.astype(float) - b).mean())


def test_each_strength_is_further_from_the_image_and_the_ends_are_image_and_text(model, given):
    found = {strength: draw(model, changed(given, strength)) for strength in (0.0, 0.3, 0.6, 1.0)}
    distances = [distance(image, given) for image, _ in found.values()]
    print(distances)
    assert distances == sorted(distances)
    assert distances[0] < 3  # of 255: the autoencoder's own error
    assert distances[-1] > 5 * distances[0]
    assert np.array_equal(found[1.0][0], draw(model, TEXT)[0])
    for strength, (_, reported) in found.items():
        steps = steps_drawn(STEPS, strength)
        assert reported == [(step, steps) for step in range(steps + 1)]


def test_several_images_start_from_it_too(model, given):
    pixels = model.generate(changed(given, 0.2, (7, 8)), lambda *_: None)
    one, other = np.frombuffer(pixels.data, np.uint8).reshape(2, 256, 256, 3)
    assert 0 < distance(one, other) < distance(given, draw(model, TEXT)[0])


def test_of_a_wide_image_a_model_of_squares_takes_the_middle(model, given):
    """Where the finisher puts it again."""
    wide = np.full((256, 768, 3), 255, np.uint8)
    wide[:, 256:512] = given
    assert distance(draw(model, changed(wide, 0.0))[0], given) < 3


@pytest.mark.parametrize(
    ("steps", "strength", "drawn"),
    [(28, 0.5, 14), (28, 0, 0), (28, 1, 28), (28, 0.01, 1), (10, 0.7, 7), (4, 0.6, 3), (1, 0.5, 1), (50, 0.29, 15)],
)
def test_the_share_of_the_steps_that_is_drawn(steps, strength, drawn):
    assert steps_drawn(steps, strength) == drawn
