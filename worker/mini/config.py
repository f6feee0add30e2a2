"""The training's configuration: `training.toml`, or another file of that form."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

DEFAULT = Path(__file__).parent / "training.toml"


@dataclass(frozen=True)
class ModelConfig:
    latent_channels: int
    vae_widths: tuple[int, ...]
    double_layers: int
    single_layers: int
    heads: int
    t5_width: int
    t5_layers: int
    clip_width: int
    clip_layers: int


@dataclass(frozen=True)
class CorpusConfig:
    shapes: int
    logos: int
    captions_per_logo: int
    # So many of the logos are encoded and drawn by the transformer; the autoencoder learns from all.
    encoded: int


@dataclass(frozen=True)
class StageConfig:
    """`ema` is the most that the moving average keeps of itself at a step."""

    steps: int
    fall: float
    batch: int
    rate: float
    ema: float
    warmup_steps: int


@dataclass(frozen=True)
class TrainingConfig:
    seed: int
    # Of captions replaced by nothing, so that there is an unconditional prediction to guide away from.
    unconditional: float
    # Of a latent's Kullback-Leibler divergence in the autoencoder's loss, and of its edges' error.
    kl_weight: float
    edge_weight: float
    # What a guidance scale g means once it is distilled: v_u + (1 + strength * (g - 1)) * (v_c - v_u).
    guidance_strength: float
    guidance_range: tuple[float, float]
    model: ModelConfig
    corpus: CorpusConfig
    vae: StageConfig
    flow: StageConfig
    distil: StageConfig


def load(path: Path = DEFAULT) -> TrainingConfig:
    table = tomllib.loads(path.read_text())
    model = ModelConfig(**{**table["model"], "vae_widths": tuple(table["model"]["vae_widths"])})
    return TrainingConfig(
        **table["training"] | {"guidance_range": tuple(table["training"]["guidance_range"])},
        model=model,
        corpus=CorpusConfig(**table["corpus"]),
        vae=StageConfig(**table["vae"]),
        flow=StageConfig(**table["flow"]),
        distil=StageConfig(**table["distil"]),
    )
