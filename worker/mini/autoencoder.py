"""The first training stage: trains an autoencoder on the drawings, then encodes every logo of the corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers import FluxPipeline
from torch.nn import functional

from worker.mini.paint import paint, to_images
from worker.mini.training_state import batch_numbers, noise_source, slices

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from worker.mini.config import TrainingConfig
    from worker.mini.corpus import Corpus
    from worker.mini.training_state import Stage

LOG_EVERY, CHECK_EVERY = 50, 10


class Painter:
    """Paints logos by their number, on the device."""

    def __init__(self, corpus: Corpus, device: torch.device) -> None:
        self.layers = torch.empty(corpus.layers.shape, dtype=torch.uint8, device=device)
        for part in slices(len(corpus.layers), 1000):
            self.layers[part] = torch.from_numpy(np.array(corpus.layers[part])).to(device)
        self.shapes, self.palettes, self.extents = (
            torch.from_numpy(np.array(array)).to(device) for array in (corpus.shapes, corpus.palettes, corpus.extents)
        )

    def __call__(self, numbers: Tensor, palettes: Tensor | None = None) -> Tensor:
        layers = self.layers[self.shapes[numbers].long()]
        return paint(layers, self.palettes[numbers] if palettes is None else palettes, self.extents[numbers])


def train_autoencoder(stage: Stage, painter: Painter, config: TrainingConfig, *, compiled: bool) -> None:
    """Trains until the stage is finished. Half of the pictures have random colours instead of named ones, so that the
    latents represent every colour.
    """
    device = painter.layers.device
    run: Any = torch.compile(_forward) if compiled else _forward
    while not stage.finished:
        numbers = batch_numbers(config.seed, stage.step, len(painter.shapes), stage.config.batch).to(device)
        source = noise_source(config.seed, stage.step, device)
        palettes = painter.palettes[numbers]
        half = len(numbers) // 2
        palettes[:half] = torch.randint(0, 256, palettes[:half].shape, generator=source, device=device).to(torch.uint8)
        pictures = painter(numbers, palettes).contiguous(memory_format=torch.channels_last)
        shape = (len(numbers), config.model.latent_channels, pictures.shape[2] // 8, pictures.shape[3] // 8)
        noise = torch.randn(shape, generator=source, device=device)
        with torch.autocast(device.type, torch.bfloat16):
            decoded, divergence = run(stage.model, pictures, noise)
        error = functional.l1_loss(decoded.float(), pictures)
        edges = _edge_error(decoded.float(), pictures)
        stage.descend(error + config.edge_weight * edges + config.kl_weight * divergence)
        if stage.step % LOG_EVERY == 0:
            stage.log(loss=error.item(), edges=edges.item(), divergence=divergence.item())
        if stage.step % CHECK_EVERY == 0:
            stage.check_time()


def _forward(model: Any, pictures: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    mean, logvar = model.encoder(pictures).float().chunk(2, dim=1)
    logvar = logvar.clamp(-20, 10)
    divergence = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
    return model.decoder(mean + (0.5 * logvar).exp() * noise), divergence


def _edge_error(decoded: Tensor, pictures: Tensor) -> Tensor:
    difference = decoded - pictures
    return difference.diff(dim=2).abs().mean() + difference.diff(dim=3).abs().mean()


@torch.no_grad()
def whiten(vae: Any, painter: Painter) -> None:
    """Gives each latent channel a deviation of 1 without changing the decoded pictures, and sets scaling and shift."""
    mean, spread = _statistics(vae, painter)
    channels = len(spread)
    vae.encoder.conv_out.weight[:channels] /= spread[:, None, None, None]
    vae.encoder.conv_out.bias[:channels] /= spread
    vae.encoder.conv_out.bias[channels:] -= 2 * spread.log()
    vae.decoder.conv_in.weight *= spread[None, :, None, None]
    shift = (mean / spread).mean().item()
    rest = ((mean / spread - shift).square().mean() + 1).sqrt().item()
    vae.register_to_config(scaling_factor=round(1 / rest, 4), shift_factor=round(shift, 4))


@torch.no_grad()
def encode(vae: Any, painter: Painter, count: int, *, batch: int) -> Tensor:
    """The scaled latents of the first `count` logos, packed for the transformer: (logos, tokens, 4 x channels) fp16."""
    device, parts = painter.layers.device, []
    for part in slices(count, batch):
        latents = _encode(vae, painter(torch.arange(part.start, part.stop, device=device)))
        latents = (latents - vae.config.shift_factor) * vae.config.scaling_factor
        count, channels, height, width = latents.shape
        parts.append(FluxPipeline._pack_latents(latents, count, channels, height, width).half())  # noqa: SLF001
    return torch.cat(parts)


@torch.no_grad()
def reconstructions(vae: Any, painter: Painter, count: int) -> tuple[list[Image.Image], list[Image.Image]]:
    """The first `count` logos, as drawn and as decoded from their latents."""
    pictures = painter(torch.arange(count, device=painter.layers.device))
    return to_images(pictures), to_images(vae.decoder(_encode(vae, pictures)))


def _encode(vae: Any, pictures: Tensor) -> Tensor:
    with torch.autocast(pictures.device.type, torch.bfloat16, enabled=pictures.is_cuda):
        encoded: Tensor = vae.encoder(pictures.contiguous(memory_format=torch.channels_last))
    return encoded.float().chunk(2, dim=1)[0]


def _statistics(vae: Any, painter: Painter) -> tuple[Tensor, Tensor]:
    """Each channel's mean and standard deviation over the first 2048 logos."""
    count = min(2048, len(painter.shapes))
    device = painter.layers.device
    latents = torch.cat(
        [_encode(vae, painter(torch.arange(p.start, p.stop, device=device))) for p in slices(count, 128)]
    )
    return latents.mean(dim=(0, 2, 3)), latents.std(dim=(0, 2, 3))
