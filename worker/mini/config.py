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
    # The number of logos that are encoded for the transformer's training; the autoencoder is trained on all logos.
    encoded: int


@dataclass(frozen=True)
class StageConfig:
    """`rate`: the highest learning rate. `fall`: the last share of the steps, over which the rate falls. `ema`: the
    highest decay of the moving average.
    """

    steps: int
    fall: float
    batch: int
    rate: float
    ema: float
    warmup_steps: int


@dataclass(frozen=True)
class TrainingConfig:
    seed: int
    # The share of captions that are replaced by an empty one, to train the unconditional prediction for guidance.
    unconditional: float
    # Weights in the autoencoder's loss: of the latents' Kullback-Leibler divergence, and of the error of edges.
    kl_weight: float
    edge_weight: float
    # The distilled velocity at guidance scale g is v_u + (1 + strength * (g - 1)) * (v_c - v_u), from the unconditional
    # and the conditional velocity.
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
