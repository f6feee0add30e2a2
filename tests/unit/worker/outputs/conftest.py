import cv2
import numpy as np
import pytest
from PIL import Image

from worker.outputs.files import About

SIDE = 512


class Drawing:
    """A drawing of discs with soft edges, whose mask is known exactly.

    :param softness: the standard deviation of the edges, in pixels.
    """

    def __init__(self, ground, *discs, softness=1.0, side=SIDE):
        y, x = np.mgrid[:side, :side] + 0.5
        picture = np.empty((side, side, 3))
        picture[:] = ground
        uncovered = np.ones((side, side))
        for colour, radius, *middle in discs:
            cx, cy = middle or (side / 2, side / 2)
            disc = (np.hypot(x - cx, y - cy) <= radius).astype(np.float64)
            cover = cv2.GaussianBlur(disc, (0, 0), softness)
            picture = picture * (1 - cover[..., None]) + np.array(colour) * cover[..., None]
            uncovered *= 1 - cover
        self.mask = 1 - uncovered
        self.exact = picture
        self.rgb = picture.round().clip(0, 255).astype(np.uint8)

    @property
    def image(self):
        return Image.fromarray(self.rgb)


@pytest.fixture
def about():
    return About(prompt="a <red> & white fox", seed=7, model="mini", steps=28, guidance=3.5, version="2.0.0")


@pytest.fixture
def logo():
    """A white disc in a red one on a white page."""
    return Drawing((255, 255, 255), ((220, 38, 38), 200), ((255, 255, 255), 80))


@pytest.fixture(scope="session")
def draw():
    return Drawing
