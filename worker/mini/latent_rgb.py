"""`python -m worker.mini.latent_rgb`: fits the matrix from the CPU model's latents to RGB, for previews, by least
squares over the corpus's logos. Run it once the weights are trained: it writes the matrix beside them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from worker.flux.preview import TABLE
from worker.mini import corpus, paint, sheet
from worker.mini.config import load

if TYPE_CHECKING:
    from torch import Tensor

LOGOS = 256


@torch.no_grad()
def fit(vae: Any, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """`pictures` (n, 3, h, w) from -1 to 1. Returns factors (channels, 3) and bias (3): latent to mean colour."""
    latents = torch.cat([vae.encode(some).latent_dist.mode() for some in torch.split(pictures, 32)])
    latents = (latents - vae.config.shift_factor) * vae.config.scaling_factor
    colours = functional.avg_pool2d(pictures, pictures.shape[-1] // latents.shape[-1])
    known, wanted = (one.permute(0, 2, 3, 1).flatten(0, 2) for one in (latents, colours))
    found = torch.linalg.lstsq(torch.cat([known, torch.ones(len(known), 1)], dim=1), wanted).solution
    return found[:-1], found[-1]


def main() -> None:
    config = load()
    pictures = torch.cat([paint.picture(corpus.logo(config, number)) for number in range(LOGOS)])
    factors, bias = fit(sheet.load().vae, pictures)
    rows = [[round(value, 4) for value in row] for row in factors.tolist()]
    text = json.dumps({"factors": rows, "bias": [round(value, 4) for value in bias.tolist()]})
    (sheet.MODEL_PATH / TABLE).write_text(text + "\n")


if __name__ == "__main__":
    main()
