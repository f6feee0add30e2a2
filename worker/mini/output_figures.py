"""Judges the outputs made of one drawing whose colours are known.

The true mask is taken from the drawing itself, by its known ground: each pixel is a mixture of the page's colour and
that of what borders on it, both of which the prompt names; their exact values are medians of the drawing's pixels.
Areas of the page's colour that the drawing encloses belong to it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import resvg_py
from PIL import Image

from worker.mini.colours import NAMED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from worker.outputs.files import Made

MAGENTA = np.array([255, 0, 255], dtype=np.float32)
EDGE = (0.03, 0.97)  # the mask's values on an edge


@dataclass(frozen=True)
class Figures:
    """`alpha_error`: mean absolute error, from 0 to 1; `halo`: of the edge's pixels on magenta, the share that is
    nearer to the old ground than to every mixture of magenta and a colour of the drawing; `ssim`: of the SVG.
    """

    alpha_error: float
    halo: float
    ssim: float
    paths: int
    svg_bytes: int


def judge(drawn: Image.Image, made: Made, page: str, others: Sequence[str]) -> Figures:
    """The figures of a drawing.

    :param drawn: what `made` was made of, transparent and with an SVG, in the drawing's own size.
    :param page, others: the names of the colours of the ground, and of what is on it.
    """
    rgb = np.asarray(drawn, dtype=np.float32)
    files = {file.name: file.data for file in made.files}
    cut = np.asarray(Image.open(io.BytesIO(files[f"{drawn.width}-transparent.png"])), dtype=np.float32)
    known = _exact(rgb, [page, *others])
    mask = true_mask(rgb, known)
    svg = files["logo.svg"].decode()
    small = drawn.resize((512, 512), Image.Resampling.LANCZOS)
    return Figures(
        alpha_error=float(np.abs(cut[..., 3] / 255 - mask).mean()),
        halo=_halo(cut, mask, known),
        ssim=ssim(small, redrawn(svg, 512, tuple(known[0]))),
        paths=svg.count("<path"),
        svg_bytes=len(svg.encode()),
    )


def true_mask(rgb: NDArray[Any], known: NDArray[Any]) -> NDArray[Any]:
    """From 0 to 1. `known`: the page's colour, then the others."""
    page = known[0]
    share, misfit = np.zeros(rgb.shape[:2], np.float32), np.full(rgb.shape[:2], np.inf, np.float32)
    for colour in known[1:]:
        span = colour - page
        along = np.clip((rgb - page) @ span / (span @ span), 0, 1)
        away = np.linalg.norm(rgb - page - along[..., None] * span, axis=2)
        better = away < misfit
        share[better], misfit[better] = along[better], away[better]
    low = (share < 0.5).astype(np.uint8)  # noqa: PLR2004 - the middle of an edge
    _, parts = cv2.connectedComponents(low)
    border = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    outside = (np.isin(parts, border[border > 0]) & (low == 1)).astype(np.uint8)
    reach = max(rgb.shape[:2]) // 64
    near = cv2.dilate(outside, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    return np.where(near == 1, share, 1).astype(np.float32)


def redrawn(svg: str, side: int, ground: Sequence[float]) -> Image.Image:
    background = "#" + "".join(f"{round(value):02x}" for value in ground)
    png = resvg_py.svg_to_bytes(svg_string=svg, width=side, height=side, background=background)
    return Image.open(io.BytesIO(bytes(png))).convert("RGB")


def ssim(one: Image.Image, other: Image.Image) -> float:
    """Structural similarity of grey pictures, with the constants and the window of Wang et al. 2004."""
    a, b = (np.asarray(image.convert("L"), dtype=np.float64) for image in (one, other))

    def mean(values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5))

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    ma, mb = mean(a), mean(b)
    va, vb, cov = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
    similar = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
    return float(similar.mean())


def _exact(rgb: NDArray[Any], names: Sequence[str]) -> NDArray[Any]:
    """The drawing's own values of the named colours; those of colours that it does not have as they are named."""
    named = np.array([NAMED[name] for name in dict.fromkeys(names)], dtype=np.float32)
    pixels = rgb[::4, ::4].reshape(-1, 3)
    away = np.linalg.norm(pixels[:, None] - named[None], axis=2)
    nearest = away.argmin(axis=1)
    found = []
    for number, colour in enumerate(named):
        own = pixels[(nearest == number) & (away[:, number] < 60)]  # noqa: PLR2004 - no mixture of two
        found.append(np.median(own, axis=0) if len(own) > 20 else colour)  # noqa: PLR2004 - enough for a median
    return np.array(found, dtype=np.float32)


def _halo(cut: NDArray[Any], mask: NDArray[Any], known: NDArray[Any]) -> float:
    edge = (mask > EDGE[0]) & (mask < EDGE[1])
    share = cut[edge][:, 3:] / 255
    pixels = cut[edge][:, :3] * share + MAGENTA * (1 - share)
    to_new = np.full(len(pixels), np.inf, np.float32)
    for colour in known[1:]:
        span = colour - MAGENTA
        along = np.clip((pixels - MAGENTA) @ span / max(float(span @ span), 1), 0, 1)
        to_new = np.minimum(to_new, np.linalg.norm(pixels - MAGENTA - along[:, None] * span, axis=1))
    to_old = np.linalg.norm(pixels - known[0], axis=1)
    return float((to_old < to_new).mean()) if len(pixels) else 0.0
