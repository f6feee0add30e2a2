"""Image to image: a drawing that starts from the latents of an image and a part of the noise.

Of the sampler's steps only the last ones are drawn (`shared.strength.steps_drawn`), as diffusers' `FluxImg2ImgPipeline`
has it: the latents are those of the image, with as much noise as is left at the first of these steps. With all steps
that is noise alone, and the drawing is that of the text; with none, the image comes back as the autoencoder has it.

The schedule's tail is handed to the pipeline as its `sigmas`, which it shifts one by one, so that the steps are those
of the whole schedule, and everything that the engine puts on the pipeline works as it is.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers.pipelines.flux.pipeline_flux import calculate_shift
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from shared.canvas import Canvas


def sigmas(steps: int, drawn: int) -> list[float]:
    """The last `drawn` of `steps` noise levels, before the scheduler's shift; FluxPipeline's own, where that is all."""
    levels: list[float] = np.linspace(1.0, 1 / steps, steps)[steps - drawn :].tolist()
    return levels


def encode(pipeline: Any, image: bytes, canvas: Canvas) -> torch.Tensor:
    """The image's latents (1, T_image, 64), as the transformer sees them: the mode of the autoencoder's distribution.

    :param image: PNG, RGB. Of another aspect, its middle is taken: a model that draws squares gets what stands in the
        middle of a wide ground, where the finisher puts it again (worker/outputs/framing.py).
    """
    picture = Image.open(io.BytesIO(image)).convert("RGB")
    fitted = ImageOps.fit(picture, (canvas.width, canvas.height), Image.Resampling.LANCZOS)
    vae, config = pipeline.vae, pipeline.vae.config
    pixels = torch.from_numpy(np.array(fitted)).permute(2, 0, 1)[None].to(vae.device, torch.float32) / 127.5 - 1
    latents = vae.encode(pixels.to(vae.dtype)).latent_dist.mode()
    latents = (latents - config.shift_factor) * config.scaling_factor
    packed: torch.Tensor = pipeline._pack_latents(latents, *latents.shape)  # noqa: SLF001 - as the pipeline does
    return packed


def noised(pipeline: Any, image: torch.Tensor, noise: torch.Tensor, levels: list[float]) -> torch.Tensor:
    """(B, T_image, 64), in float32 on the CPU: the image with the noise of the first of `levels`.

    :param image: (1, T_image, 64), of `encode`.
    :param noise: (B, T_image, 64).
    """
    level = _shifted(pipeline.scheduler, levels, noise.shape[1])
    return level * noise + (1 - level) * image.float().cpu()


def _shifted(scheduler: Any, levels: list[float], tokens: int) -> float:
    """The first of `levels` as the pipeline's scheduler shifts it."""
    config = scheduler.config
    names = ("base_image_seq_len", "max_image_seq_len", "base_shift", "max_shift")
    mu = calculate_shift(tokens, *(config[name] for name in names))
    scheduler.set_timesteps(sigmas=levels, device="cpu", mu=mu)
    return float(scheduler.sigmas[0])
