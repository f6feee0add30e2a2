"""The second and third training stages. The second is rectified flow (Liu et al. 2022): transformer and text encoders
learn the velocity from a logo's latents to noise. The third distils classifier-free guidance into the guidance
embedding, as in FLUX.1-dev, so that a step needs one forward pass.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers import FluxPipeline
from torch import nn
from torch.nn import functional

from worker.mini.corpus import tokenize
from worker.mini.pipeline import BASE_SHIFT
from worker.mini.training_state import batch_numbers, noise_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from worker.mini.config import TrainingConfig
    from worker.mini.corpus import Corpus
    from worker.mini.training_state import Stage

LOG_EVERY, CHECK_EVERY, EXPORT_EVERY = 50, 10, 2000
# The share of noise levels drawn uniformly; the rest are logit-normal. Both are then shifted as the scheduler does.
EVEN = 0.3
TRAINED_TOGETHER = ("transformer", "text_encoder", "text_encoder_2")


class Denoiser(nn.Module):
    """The parts of the pipeline that are trained together."""

    def __init__(self, pipeline: Any) -> None:
        super().__init__()
        self.transformer, self.text_encoder = pipeline.transformer, pipeline.text_encoder
        self.text_encoder_2 = pipeline.text_encoder_2

    def forward(self, noisy: Tensor, sigma: Tensor, guidance: Tensor, t5: Tensor, clip: Tensor) -> Tensor:
        """`noisy` (n, tokens, channels), `sigma` and `guidance` (n,), token ids (n, length). Returns the velocity."""
        side = math.isqrt(noisy.shape[1])
        places = FluxPipeline._prepare_latent_image_ids(1, side, side, noisy.device, torch.float32)  # noqa: SLF001
        text = self.text_encoder_2(t5)[0]
        pooled = self.text_encoder(clip).pooler_output
        velocity: Tensor = self.transformer(
            hidden_states=noisy,
            timestep=sigma,
            guidance=guidance,
            pooled_projections=pooled,
            encoder_hidden_states=text,
            txt_ids=torch.zeros(text.shape[1], 3, device=noisy.device),
            img_ids=places,
            return_dict=False,
        )[0]
        return velocity


class Examples:
    """The latents and the captions' tokens, on the device; `empty` are those of an empty caption, T5's and CLIP's."""

    def __init__(self, corpus: Corpus, latents: Tensor, pipeline: Any) -> None:
        self.latents, device = latents, latents.device
        self.t5, self.clip = (torch.from_numpy(np.array(tokens)).to(device) for tokens in (corpus.t5, corpus.clip))
        self.empty = tuple(
            torch.from_numpy(tokenize(tokenizer, [""], tokens.shape[-1])).to(device)
            for tokenizer, tokens in ((pipeline.tokenizer_2, self.t5), (pipeline.tokenizer, self.clip))
        )

    def draw(self, numbers: Tensor, source: torch.Generator, unconditional: float) -> tuple[Tensor, Tensor, Tensor]:
        """Latents, T5 and CLIP ids of the logos `numbers`; a share `unconditional` of the captions is empty."""
        device, count = self.latents.device, len(numbers)
        which = torch.randint(self.t5.shape[1], (count,), generator=source, device=device)
        t5, clip = self.t5[numbers, which], self.clip[numbers, which]
        drop = torch.rand((count, 1), generator=source, device=device) < unconditional
        t5, clip = torch.where(drop, self.empty[0], t5), torch.where(drop, self.empty[1], clip)
        return self.latents[numbers].float(), t5.long(), clip.long()


def noise_levels(count: int, source: torch.Generator, device: torch.device) -> Tensor:
    normal = torch.randn(count, generator=source, device=device).sigmoid()
    even = torch.rand(count, generator=source, device=device)
    choice = torch.rand(count, generator=source, device=device) < EVEN
    sigma, shift = torch.where(choice, even, normal), math.exp(BASE_SHIFT)
    return shift * sigma / (1 + (shift - 1) * sigma)


def train_flow(  # noqa: PLR0913 - two are keyword-only
    stage: Stage,
    examples: Examples,
    config: TrainingConfig,
    export: Callable[[], None],
    *,
    teacher: Denoiser | None = None,
    compiled: bool,
) -> None:
    """Trains until the stage is finished; calls `export` every EXPORT_EVERY steps. With a `teacher` the target is its
    guided velocity, else the true one.
    """
    device = examples.latents.device
    run: Any = stage.model
    if compiled:
        run.transformer.compile(dynamic=False)
        if teacher is not None:
            teacher.transformer.compile(dynamic=False)
    # cuDNN's attention fails to train at these shapes (H100, torch 2.11: "mha_graph.execute ... got false").
    torch.backends.cuda.enable_cudnn_sdp(enabled=False)
    for encoder in (run.text_encoder, run.text_encoder_2):
        # The encoders are small, and T5's attention has a trained bias.
        encoder.set_attn_implementation("eager")
    low, high = config.guidance_range
    seed = config.seed + (0 if teacher is None else 1)
    while not stage.finished:
        numbers = batch_numbers(seed, stage.step, len(examples.latents), stage.config.batch).to(device)
        source = noise_source(seed, stage.step, device)
        latents, t5, clip = examples.draw(numbers, source, config.unconditional if teacher is None else 0.0)
        noise = torch.randn(latents.shape, generator=source, device=device)
        sigma = noise_levels(len(latents), source, device)
        guidance = low + (high - low) * torch.rand(len(latents), generator=source, device=device)
        noisy = torch.lerp(latents, noise, sigma[:, None, None])
        with torch.autocast(device.type, torch.bfloat16):
            target = noise - latents
            if teacher is not None:
                target = _guided(teacher, examples, (noisy, sigma, guidance, t5, clip), config.guidance_strength)
            velocity = run(noisy, sigma, guidance, t5, clip)
        loss = functional.mse_loss(velocity.float(), target)
        stage.descend(loss)
        if stage.step % LOG_EVERY == 0:
            stage.log(loss=loss.item())
        if stage.step % CHECK_EVERY == 0:
            stage.check_time()
        if stage.step % EXPORT_EVERY == 0:
            stage.save()
            export()


@torch.no_grad()
def _guided(teacher: Denoiser, examples: Examples, inputs: tuple[Tensor, ...], strength: float) -> Tensor:
    noisy, sigma, guidance, t5, clip = inputs
    empty_t5, empty_clip = (tokens.long().expand(len(noisy), -1) for tokens in examples.empty)
    conditional = teacher(noisy, sigma, guidance, t5, clip).float()
    unconditional = teacher(noisy, sigma, guidance, empty_t5, empty_clip).float()
    scale = 1 + strength * (guidance - 1)
    return torch.lerp(unconditional, conditional, scale[:, None, None])
