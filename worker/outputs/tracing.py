"""Traces a drawing: an SVG of a few plain colours, without script and without pictures inside."""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import vtracer
from PIL import Image

from shared.styles.colours import distance
from worker.outputs.branding import NEAR, snapped
from worker.outputs.merging import merge, smooth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SIDE = 768  # of the picture that is traced, and of the view box
MOST_BYTES = 90_000  # description and credentials come on top
# In pixels: a picture with too much detail is traced more coarsely.
SMOOTHINGS = (1.2, 2.4, 4.8, 9.6)
SPECK = 5
# The most pixels of outlines, of all. Tracing takes time by their number, and noise would take minutes.
OUTLINES = 0.06
PATH = re.compile(r'<path d="([^"]+)" fill="(#[0-9A-Fa-f]{6})" transform="(translate\([-0-9.,]+\))"/>')
VISIBLE = 128  # of an alpha channel


class TooDetailed(ValueError):
    """The drawing has too many shapes for a small SVG."""


@dataclass(frozen=True, slots=True)
class Traced:
    width: int
    height: int
    paths: list[tuple[str, str, str]]  # data, fill and transformation, from the back to the front

    @property
    def palette(self) -> list[str]:
        """The fills, `#rrggbb`, in the order in which they are painted."""
        return list(dict.fromkeys(fill for _, fill, _ in self.paths))

    def document(self, description: str = "") -> bytes:
        """:param description: RDF about the drawing."""
        lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}">']
        if description:
            lines.append(f"<metadata>\n{description}\n</metadata>")
        lines += [f'<path d="{data}" fill="{fill}" transform="{move}"/>' for data, fill, move in self.paths]
        return "\n".join([*lines, "</svg>", ""]).encode()


def trace(picture: NDArray[Any], asked: Sequence[str] = (), *, only: bool = False) -> Traced:
    """:param picture: (height, width, 4), as `ground.cut_out` makes it, or (height, width, 3).
    :param asked: the colours, `#rrggbb`, that the picture was put into (worker/outputs/branding.py).
    :param only: there are no others, so that a colour between two of them is that of an edge.
    :raises TooDetailed: the SVG would be larger than MOST_BYTES.
    """
    height, width = picture.shape[:2]
    scale = SIDE / max(height, width)
    if scale != 1:
        # Pillow resamples what is transparent without its colour.
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
    opaque = picture.shape[2] == 3  # noqa: PLR2004 - channels
    visible = np.ones(picture.shape[:2], dtype=bool) if opaque else picture[:, :, 3] >= VISIBLE
    colours, labels = merge(np.ascontiguousarray(picture[:, :, :3]), visible)
    if asked:
        colours = snapped(colours, asked, math.inf if only else NEAR)
    paints = np.vstack([np.pad(colours, ((0, 0), (0, 1)), constant_values=255), np.zeros((1, 4), np.uint8)])
    height, width = labels.shape
    for radius in SMOOTHINGS:
        shapes = smooth(labels, radius)
        if _outlines(shapes) <= OUTLINES * shapes.size:
            paths = _paths(paints[shapes])
            if only:
                # The tracer gives a cluster of specks their mean.
                paths = [(data, min(asked, key=lambda one: distance(fill, one)), move) for data, fill, move in paths]
            traced = Traced(width, height, paths)
            if len(traced.document()) < MOST_BYTES:
                return traced
    raise TooDetailed(f"an SVG of less than {MOST_BYTES} bytes would not show it")


def _outlines(shapes: NDArray[Any]) -> int:
    across, down = shapes[:, 1:] != shapes[:, :-1], shapes[1:] != shapes[:-1]
    return int(np.count_nonzero(across) + np.count_nonzero(down))


def _paths(flat: NDArray[Any]) -> list[tuple[str, str, str]]:
    buffer = io.BytesIO()
    Image.fromarray(flat).save(buffer, "PNG", compress_level=1)
    try:
        text = vtracer.convert_raw_image_to_svg(
            buffer.getvalue(),
            img_format="png",
            colormode="color",
            hierarchical="stacked",
            mode="spline",
            filter_speckle=SPECK,
            color_precision=8,
            layer_difference=0,
            corner_threshold=60,
            length_threshold=4.0,
            max_iterations=10,
            splice_threshold=45,
            path_precision=1,
        )
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # of a library in Rust, which is no Exception
            raise RuntimeError(f"the tracer failed: {error}") from error
        raise
    return [(data.strip(), fill.lower(), move) for data, fill, move in PATH.findall(text)]
