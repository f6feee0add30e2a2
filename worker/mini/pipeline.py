"""Builds the CPU model before training: the real FLUX classes, small, with random weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

from worker.mini.vocabulary import CLIP_LENGTH, clip_tokenizer, t5_tokenizer

if TYPE_CHECKING:
    from worker.mini.config import ModelConfig

COMPONENTS = ("transformer", "vae", "text_encoder", "text_encoder_2")
# The scheduler's shift is exp(0.5) for the 256 tokens of an image of 256 pixels. Training shifts its noise levels too.
BASE_SHIFT = 0.5


def build(config: ModelConfig, seed: int) -> Any:
    """A `FluxPipeline` with random weights from `seed`."""
    torch.manual_seed(seed)
    clip_tokens, t5_tokens = clip_tokenizer(), t5_tokenizer()
    clip = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(clip_tokens),
            hidden_size=config.clip_width,
            intermediate_size=2 * config.clip_width,
            projection_dim=config.clip_width,
            num_hidden_layers=config.clip_layers,
            num_attention_heads=config.clip_width // 32,
            max_position_embeddings=CLIP_LENGTH,
            bos_token_id=clip_tokens.bos_token_id,
            eos_token_id=clip_tokens.eos_token_id,
            pad_token_id=clip_tokens.pad_token_id,
        )
    )
    t5 = T5EncoderModel(
        T5Config(
            vocab_size=len(t5_tokens),
            d_model=config.t5_width,
            d_kv=32,
            num_heads=config.t5_width // 32,
            d_ff=2 * config.t5_width,
            num_layers=config.t5_layers,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
        )
    )
    transformer: Any = FluxTransformer2DModel(
        in_channels=4 * config.latent_channels,
        num_layers=config.double_layers,
        num_single_layers=config.single_layers,
        attention_head_dim=32,
        num_attention_heads=config.heads,
        joint_attention_dim=config.t5_width,
        pooled_projection_dim=config.clip_width,
        guidance_embeds=True,
        axes_dims_rope=(8, 12, 12),
    )
    quiet_start(transformer)
    scheduler = FlowMatchEulerDiscreteScheduler(
        shift=3.0,
        use_dynamic_shifting=True,
        base_shift=BASE_SHIFT,
        max_shift=1.15,
        base_image_seq_len=256,
        max_image_seq_len=4096,
    )
    return FluxPipeline(
        scheduler=scheduler,
        vae=autoencoder(config),
        text_encoder=clip,
        tokenizer=clip_tokens,
        text_encoder_2=t5,
        tokenizer_2=t5_tokens,
        transformer=transformer,
    )


def autoencoder(config: ModelConfig) -> AutoencoderKL:
    """Latents have an eighth of a picture's width and height. Scaling and shift are set after training."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=config.latent_channels,
        sample_size=256,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=config.vae_widths,
        norm_num_groups=8,
        layers_per_block=1,
        scaling_factor=1.0,
        shift_factor=0.0,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def quiet_start(transformer: nn.Module) -> None:
    """Initialises every block to the identity and the output to zero (adaLN-Zero, Peebles and Xie 2023)."""
    for name, module in transformer.named_modules():
        modulates = name.endswith((".norm1.linear", ".norm1_context.linear", ".norm.linear", "norm_out.linear"))
        if isinstance(module, nn.Linear) and (modulates or name == "proj_out"):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)


def parameters(pipeline: Any) -> dict[str, int]:
    return {name: sum(p.numel() for p in getattr(pipeline, name).parameters()) for name in COMPONENTS}
