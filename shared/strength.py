"""How much of an image a drawing that starts from it changes. Standard library only."""

from __future__ import annotations

import math

# Of a request that has an image and says no more; that of diffusers.
DEFAULT_STRENGTH = 0.6


def steps_drawn(steps: int, strength: float) -> int:
    """Of `steps`, the last ones, which are drawn: all at strength 1, none at 0. As diffusers' `FluxImg2ImgPipeline` has
    it, but that no step is added by the rounding of a product such as 0.7 * 10.
    """
    return min(steps, math.ceil(round(steps * strength, 6)))
