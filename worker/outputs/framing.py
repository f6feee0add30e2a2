"""Gives a drawing the aspect that was asked for. What was drawn in another one is not cut: it is put in the middle of a
larger ground.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from worker.outputs import ground

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.canvas import Canvas

# Aspects that differ by less are made equal by a cut of the edges, which nobody sees: models draw whole patches.
CUT = 1.03


def framed(drawn: Image.Image, canvas: Canvas) -> tuple[Image.Image, str]:
    """The drawing in the aspect of `canvas`, as large as it was drawn; and what was put around it, empty if nothing."""
    ratio = drawn.width / drawn.height
    if ratio == canvas.ratio:
        return drawn, ""
    away = max(ratio / canvas.ratio, canvas.ratio / ratio)
    if away <= CUT:
        width, height = (min(drawn.width, drawn.height * canvas.ratio), min(drawn.height, drawn.width / canvas.ratio))
        left, top = (drawn.width - width) / 2, (drawn.height - height) / 2
        # The box of a resize may lie between pixels, so that the aspect is exact.
        box = (left, top, left + width, top + height)
        return drawn.resize((round(width), round(height)), Image.Resampling.BICUBIC, box=box), ""
    wider = canvas.ratio > ratio
    width = round(drawn.height * canvas.ratio) if wider else drawn.width
    height = drawn.height if wider else round(drawn.width / canvas.ratio)
    left, top = (width - drawn.width) // 2, (height - drawn.height) // 2
    around = ((top, height - drawn.height - top), (left, width - drawn.width - left), (0, 0))
    return _padded(np.asarray(drawn), around)


def _padded(rgb: NDArray[np.uint8], around: tuple[tuple[int, int], ...]) -> tuple[Image.Image, str]:
    """A ground that is one colour goes on; of any other the outermost pixels do."""
    try:
        colours = ground.estimate(rgb).colours
    except ground.NotUniform:
        colours = rgb
    if (colours == colours[0, 0]).all():
        large = np.empty([size + sum(more) for size, more in zip(rgb.shape, around, strict=True)], np.uint8)
        large[:] = colours[0, 0]
        large[around[0][0] :, around[1][0] :][: rgb.shape[0], : rgb.shape[1]] = rgb
        return Image.fromarray(large), "its ground"
    return Image.fromarray(np.pad(rgb, around, mode="edge")), "its border, because it has no ground of one colour"
