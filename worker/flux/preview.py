"""Small pictures of an unfinished image, from its latents, at most two a second. Off unless PREVIEWS is set.

After a step the remaining noise is removed along the step's own velocity, and one matrix product maps each latent to a
colour. The card does that after the step, and the host does not wait for it: the copy to the host is enqueued before
the step's event (worker/flux/step_sync.py), so it is complete once that event is.
"""

from __future__ import annotations

import functools
import io
import json
import time
from typing import TYPE_CHECKING

import torch
from PIL import Image

from shared.observability.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shared.canvas import Canvas

log = get_logger(__name__)
MIN_SECONDS = 0.5
MAX_PIXELS = 64
JPEG_QUALITY = 80
TABLE = "latent_rgb.json"  # in the folder of a model with factors of its own: `factors` (channels, 3) and `bias` (3)
# From FLUX.1's 16 channels, scaled as the transformer sees them, to RGB from -1 to 1. The numbers are those of InvokeAI
# (Apache 2.0), FLUX_LATENT_RGB_FACTORS in invokeai/app/util/step_callback.py at 01d6f09; there is no bias.
FLUX_FACTORS = (
    (-0.0412, 0.0149, 0.0521),
    (0.0056, 0.0291, 0.0768),
    (0.0342, -0.0681, -0.0427),
    (-0.0258, 0.0092, 0.0463),
    (0.0863, 0.0784, 0.0547),
    (-0.0017, 0.0402, 0.0158),
    (0.0501, 0.1058, 0.1152),
    (-0.0209, -0.0218, -0.0329),
    (-0.0314, 0.0083, 0.0896),
    (0.0851, 0.0665, -0.0472),
    (-0.0534, 0.0238, -0.0024),
    (0.0452, -0.0026, 0.0048),
    (0.0892, 0.0831, 0.0881),
    (-0.1117, -0.0304, -0.0789),
    (0.0027, -0.0479, -0.0043),
    (-0.1146, -0.0827, -0.0598),
)


class Previews:
    """The previews of one model, which serves one request at a time. Of a batch, the first image is shown."""

    def __init__(self, directory: Path, device: str, channels: int) -> None:
        """:raises ValueError: there are no factors for latents of so many channels."""
        table = directory / TABLE
        known = (
            json.loads(table.read_text(encoding="utf-8-sig"))
            if table.is_file()
            else {"factors": FLUX_FACTORS, "bias": (0, 0, 0)}
        )
        factors, bias = torch.tensor(known["factors"]), torch.tensor(known["bias"])
        if len(factors) != channels:
            raise ValueError(f"{table}: {len(factors)} channels are known, the model has {channels}")
        # A token is a patch of 2 x 2 latents, channel by channel, and becomes a patch of 2 x 2 colours:
        # (T_image, 4 * channels) @ weight is (T_image, 4 * 3).
        self._weight = torch.kron(factors, torch.eye(4)).to(device)
        self._bias = bias.repeat_interleave(4).to(device)
        self._on_card = device == "cuda"
        self._before: torch.Tensor | None = None
        self._shown_at = float("-inf")
        self._ratio = 1.0  # of the image's width to its height
        # By step. At most two, because a step is reported after the next one is enqueued.
        self._coming: dict[int, torch.Tensor] = {}

    def take(self, index: int, latents: torch.Tensor, sigmas: torch.Tensor, canvas: Canvas | None = None) -> None:
        """Step `index`, from 0, is enqueued: enqueues its preview, if one is due.

        :param latents: (B, T_image, 4 * channels) after the step.
        :param sigmas: (steps + 1,), the scheduler's.
        :param canvas: of the image; None: a square.
        """
        before, self._before = self._before, latents
        if index == 0:
            self._coming.clear()
        elif before is not None and time.monotonic() - self._shown_at >= MIN_SECONDS:
            self._shown_at = time.monotonic()
            now, then = latents[0].float(), before[0].float()
            # The clean latents are x - sigma * v; v is known from Euler's step, which added (sigma' - sigma) * v.
            clean = now - sigmas[index + 1] / (sigmas[index + 1] - sigmas[index]) * (now - then)
            colours = (clean @ self._weight).add(self._bias).add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
            if self._on_card:
                colours = torch.empty_like(colours, device="cpu", pin_memory=True).copy_(colours, non_blocking=True)
            self._coming[index + 1] = colours
            self._ratio = canvas.ratio if canvas else 1.0

    def arrived(self, step: int) -> Callable[[], bytes] | None:
        """The preview of step `step`, from 1, which is done, if it has one: a function that makes a JPEG. Call it on a
        thread that does not denoise.
        """
        colours = self._coming.pop(step, None)
        return None if colours is None else functools.partial(to_jpeg, colours, self._ratio)


def to_jpeg(tokens: torch.Tensor, ratio: float = 1.0) -> bytes:
    """`tokens` (rows * columns, 3 * 2 * 2), uint8, on the host. The picture's longer edge has MAX_PIXELS at most.

    :param ratio: of columns to rows.
    """
    rows = round((len(tokens) / ratio) ** 0.5)
    columns = len(tokens) // rows
    pixels = tokens.view(rows, columns, 3, 2, 2).permute(0, 3, 1, 4, 2).reshape(2 * rows, 2 * columns, 3)
    picture = Image.fromarray(pixels.contiguous().numpy())
    picture.thumbnail((MAX_PIXELS, MAX_PIXELS), Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
