"""LoRA adapters, added to the weights while these are loaded, so that they cost no time later, under every plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffusers import FluxPipeline

from shared.observability.logging import get_logger
from worker.flux.checkpoint import CheckpointError

if TYPE_CHECKING:
    import torch

log = get_logger(__name__)
PREFIX = "transformer."


@dataclass(frozen=True, slots=True)
class Factor:
    """`scale * up @ down` is added to a weight (out, in)."""

    up: torch.Tensor  # (out, rank)
    down: torch.Tensor  # (rank, in)
    scale: float


class Adapters:
    """The adapters of the transformer. Parts for a text encoder are ignored, with a warning."""

    def __init__(self, paths: str) -> None:
        """`paths`: `file[:scale]`, separated by commas; any format that diffusers reads.

        :raises CheckpointError: a file is missing, damaged, or not a LoRA for FLUX.
        """
        self._factors: dict[str, list[Factor]] = {}
        for item in filter(None, (part.strip() for part in paths.split(","))):
            path, scale = _split(item)
            found = _read(path, scale)
            for module, factor in found.items():
                self._factors.setdefault(module, []).append(factor)
            log.info("lora.found", file=str(path), scale=scale, layers=len(found))
        self._unused = set(self._factors)

    def add(self, name: str, weight: torch.Tensor) -> torch.Tensor:
        """The weight (out, in) of the parameter `name` plus its adapters, computed in float32 on the weight's device.

        :raises CheckpointError: an adapter is of another shape.
        """
        module = name.removesuffix(".weight")
        if module not in self._factors or module == name:
            return weight
        self._unused.discard(module)
        total = weight.float()
        for factor in self._factors[module]:
            up, down = (part.to(total.device, total.dtype) for part in (factor.up, factor.down))
            if (up.shape[0], down.shape[1]) != tuple(total.shape):
                raise CheckpointError(f"LoRA: {module} is {list(total.shape)}, not {[up.shape[0], down.shape[1]]}")
            total = total + factor.scale * (up @ down)
        return total.to(weight.dtype)

    def check_all_used(self) -> None:
        """:raises CheckpointError: an adapter is for a layer that this model does not have."""
        if self._unused:
            raise CheckpointError(f"LoRA: this model has no {min(self._unused)} (of {len(self._unused)} unknown)")


def _split(item: str) -> tuple[Path, float]:
    path, _, scale = item.rpartition(":")
    try:
        return Path(path), float(scale)
    except ValueError:
        return Path(item), 1.0


def _read(path: Path, scale: float) -> dict[str, Factor]:
    if not path.is_file():
        raise CheckpointError(f"{path}: missing (LORA_PATHS)")
    try:
        state, alphas, metadata = FluxPipeline.lora_state_dict(
            str(path), use_safetensors=True, return_alphas=True, return_lora_metadata=True
        )
    except Exception as error:
        raise CheckpointError(f"{path}: no LoRA that diffusers reads ({error})") from error
    others = {name.split(".")[0] for name in state if not name.startswith(PREFIX)}
    if others:
        log.warning("lora.left_out", file=str(path), components=sorted(others))
    factors = {}
    for name, down in state.items():
        module = name.removesuffix(".lora_A.weight")
        if name.startswith(PREFIX) and module != name:
            rank = down.shape[0]
            alpha = _alpha(module, rank, alphas or {}, metadata or {})
            factors[module.removeprefix(PREFIX)] = Factor(state[f"{module}.lora_B.weight"], down, scale * alpha / rank)
    if not factors:
        raise CheckpointError(f"{path}: no LoRA for FLUX's transformer")
    return factors


def _alpha(module: str, rank: int, alphas: dict[str, Any], metadata: dict[str, Any]) -> float:
    """From the file's tensors, else from its metadata, else the rank, as in diffusers."""
    return float(alphas.get(f"{module}.alpha", metadata.get("transformer.lora_alpha", rank)))
