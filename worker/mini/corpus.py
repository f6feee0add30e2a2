"""The training data: rendered shapes, and logos with tokenised captions. All cores make it, then the GPU holds it.

Every logo and caption depends on the seed and its own number only, so the number of processes changes nothing.
"""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from worker.mini import logos
from worker.mini.captions import caption
from worker.mini.vocabulary import CLIP_LENGTH, T5_LENGTH, clip_tokenizer, t5_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from worker.mini.config import TrainingConfig

CHUNK = 500
_state: dict[str, Any] = {}


@dataclass(frozen=True)
class Corpus:
    """`layers` (shapes, 3, 256, 256); for each logo: its shape's number, its palette (5, 3), its extent (2) and its
    captions' tokens, (captions, length) for T5 and for CLIP. The arrays are memory-mapped.
    """

    layers: NDArray[np.uint8]
    shapes: NDArray[np.int32]
    palettes: NDArray[np.uint8]
    extents: NDArray[np.float32]
    t5: NDArray[np.int16]
    clip: NDArray[np.int16]


def _specification(config: TrainingConfig) -> dict[str, tuple[tuple[int, ...], str, int]]:
    """Each array's shape, its type, and what its rows are: 0 for shapes, 1 for logos."""
    corpus = config.corpus
    captions = (corpus.logos, corpus.captions_per_logo)
    return {
        "layers": ((corpus.shapes, len(logos.LAYERS), logos.PIXELS, logos.PIXELS), "uint8", 0),
        "shapes": ((corpus.logos,), "int32", 1),
        "palettes": ((corpus.logos, 5, 3), "uint8", 1),
        "extents": ((corpus.logos, 2), "float32", 1),
        "t5": ((*captions, T5_LENGTH), "int16", 1),
        "clip": ((*captions, CLIP_LENGTH), "int16", 1),
    }


def make(config: TrainingConfig, folder: Path) -> Corpus:
    """Loads the corpus from `folder`, where it is made first unless it is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    specification = _specification(config)
    done = folder / "complete"
    if not done.exists():
        for name, (shape, kind, _) in specification.items():
            np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=kind, shape=shape).flush()
        tasks = [(0, start) for start in range(0, config.corpus.shapes, CHUNK)]
        tasks += [(1, start) for start in range(0, config.corpus.logos, CHUNK)]
        context = multiprocessing.get_context("spawn")
        with context.Pool(os.cpu_count(), _start, (config, folder)) as pool:
            for _ in pool.imap_unordered(_fill, tasks):
                pass
        done.touch()
    return Corpus(**{name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in specification})


def shape(config: TrainingConfig, number: int) -> logos.Shape:
    return logos.draw_shape(_random(config, "shape", number))


def logo(config: TrainingConfig, number: int) -> logos.Logo:
    return logos.draw_logo(shape(config, number % config.corpus.shapes), _random(config, "logo", number))


def captions(config: TrainingConfig, number: int) -> list[str]:
    rng = _random(config, "caption", number)
    return [caption(logo(config, number), rng) for _ in range(config.corpus.captions_per_logo)]


def _random(config: TrainingConfig, kind: str, number: int) -> Random:
    return Random(f"{config.seed}/{kind}/{number}")  # noqa: S311 - drawings, no secrets


def _start(config: TrainingConfig, folder: Path) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r+") for name in _specification(config)}
    _state.update(config=config, arrays=arrays, t5=t5_tokenizer(), clip=clip_tokenizer())


def _fill(task: tuple[int, int]) -> None:
    kind, start = task
    config, arrays = _state["config"], _state["arrays"]
    if kind == 0:
        for number in range(start, min(start + CHUNK, config.corpus.shapes)):
            arrays["layers"][number] = logos.layers(shape(config, number))
        return
    numbers = range(start, min(start + CHUNK, config.corpus.logos))
    texts = [text for number in numbers for text in captions(config, number)]
    for name, length in (("t5", T5_LENGTH), ("clip", CLIP_LENGTH)):
        tokens = tokenize(_state[name], texts, length)
        arrays[name][numbers.start : numbers.stop] = tokens.reshape(len(numbers), -1, length)
    for number in numbers:
        one = logo(config, number)
        arrays["shapes"][number] = number % config.corpus.shapes
        arrays["palettes"][number] = logos.palette(one)
        arrays["extents"][number] = logos.extent(one.shape)


def tokenize(tokenizer: Any, texts: list[str], length: int) -> NDArray[np.int16]:
    """(texts, length) ids, padded or truncated as `FluxPipeline` does; truncation keeps the end token."""
    ids = tokenizer(texts, padding="max_length", max_length=length, truncation=True).input_ids
    return np.array(ids, dtype=np.int16)
