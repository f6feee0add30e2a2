"""Paints layers and colours into pictures, many at once, on the device of the layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from worker.mini import logos

if TYPE_CHECKING:
    from torch import Tensor


def paint(layers: Tensor, palettes: Tensor, extents: Tensor) -> Tensor:
    """`layers` (n, 3, h, w) uint8, `palettes` (n, 5, 3) uint8 and `extents` (n, 2), as `logos` makes them.
    Returns (n, 3, h, w) from -1 to 1.
    """
    cover = layers.float().div(255)[:, :, None]
    page, ground, top, bottom, second = palettes.float().div(127.5).sub(1)[..., None, None].unbind(1)
    height = layers.shape[-2]
    rows = (torch.arange(height, device=layers.device) + 0.5) / height
    start, end = extents[:, :1], extents[:, 1:]
    along = ((rows - start) / (end - start)).clamp(0, 1)[:, None, :, None]
    fill = torch.lerp(top, bottom, along)
    picture = torch.lerp(page, ground, cover[:, 0])
    picture = torch.lerp(picture, fill, cover[:, 1])
    return torch.lerp(picture, second, cover[:, 2])


def picture(logo: logos.Logo, pixels: int = logos.PIXELS) -> Tensor:
    """(1, 3, pixels, pixels) from -1 to 1."""
    layers = torch.from_numpy(logos.layers(logo.shape, pixels))[None]
    palettes = torch.from_numpy(logos.palette(logo))[None]
    extents = torch.tensor([logos.extent(logo.shape)])
    return paint(layers, palettes, extents)


def image(logo: logos.Logo, pixels: int = logos.PIXELS) -> Image.Image:
    return to_images(picture(logo, pixels))[0]


def to_images(pictures: Tensor) -> list[Image.Image]:
    """`pictures` (n, 3, h, w) from -1 to 1."""
    pixels = pictures.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
    return [Image.fromarray(np.asarray(one)) for one in pixels.permute(0, 2, 3, 1).cpu().numpy()]
