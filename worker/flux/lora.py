"""LoRA adapters, added to the weights while these are loaded, so that they cost no time later, under every plan.

The weights become those of diffusers with peft. What diffusers leaves out is named in a warning, and a file with what
peft would add and this module does not is refused.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from diffusers import FluxPipeline
from diffusers.utils import convert_unet_state_dict_to_peft
from safetensors import safe_open

from shared.observability.logging import get_logger
from worker import adapters
from worker.flux.checkpoint import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

log = get_logger(__name__)
PREFIX = "transformer."
NAMED_KEYS = 5


@dataclass(frozen=True, slots=True)
class Factor:
    """`scale * up @ down` is added to a weight (out, in). With a magnitude (DoRA, https://arxiv.org/abs/2402.09353),
    each row of the sum then gets that norm.
    """

    up: torch.Tensor  # (out, rank)
    down: torch.Tensor  # (rank, in)
    scale: float
    magnitude: torch.Tensor | None = None  # (out,)


class Adapters:
    """The adapters of the transformer. Parts for a text encoder are ignored, with a warning."""

    def __init__(self, paths: str) -> None:
        """`paths`: `file[:scale]`, separated by commas; docs/gpu-worker.md has the formats.

        :raises CheckpointError: a file is missing, damaged, or not a LoRA for FLUX.
        """
        self._factors: dict[str, list[Factor]] = {}
        for path, scale in adapters.named(paths):
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
            if factor.magnitude is not None:
                if factor.magnitude.numel() != len(total):
                    raise CheckpointError(f"LoRA: {module} has {len(total)} rows, not {factor.magnitude.numel()}")
                magnitude = factor.magnitude.to(total.device, total.dtype).view(-1, 1)
                total = magnitude * total / total.norm(dim=1, keepdim=True)
        return total.to(weight.dtype)

    def check_all_used(self) -> None:
        """:raises CheckpointError: an adapter is for a layer that this model does not have."""
        if self._unused:
            raise CheckpointError(f"LoRA: this model has no {min(self._unused)} (of {len(self._unused)} unknown)")


def _read(path: Path, scale: float) -> dict[str, Factor]:
    if not path.is_file():
        raise CheckpointError(f"{path}: missing (LORA_PATHS)")
    try:
        state, alphas, metadata = FluxPipeline.lora_state_dict(
            str(path), use_safetensors=True, return_alphas=True, return_lora_metadata=True
        )
    except Exception as error:
        raise CheckpointError(f"{path}: no LoRA that diffusers reads ({error})") from error
    _name_left_out(path)
    metadata = {name.removeprefix(PREFIX): value for name, value in (metadata or {}).items() if name.startswith(PREFIX)}
    state = {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
    if not any("lora_A" in name for name in state):
        state = convert_unet_state_dict_to_peft(state)
    alphas = {
        name.removeprefix(PREFIX): float(value) for name, value in (alphas or {}).items() if name.startswith(PREFIX)
    }
    factors = {}
    for module in [name.removesuffix(".lora_A.weight") for name in state if name.endswith(".lora_A.weight")]:
        down, up = state.pop(f"{module}.lora_A.weight"), state.pop(f"{module}.lora_B.weight", None)
        if up is None:
            raise CheckpointError(f"{path}: no {module}.lora_B.weight")
        vector = f"{module}.lora_magnitude_vector"
        magnitude = state.pop(vector, state.pop(f"{vector}.weight", None))
        if metadata.get("use_dora") and magnitude is None:
            raise CheckpointError(f"{path}: a DoRA without {vector}")
        rank = down.shape[0]
        alpha = _alpha(module, rank, alphas, metadata)
        unit = alpha / (rank**0.5 if metadata.get("use_rslora") else rank)
        factors[module] = Factor(up, down, scale * unit, magnitude)
    # Diffusers reads no alpha of factors that are named `transformer.….lora_down`.
    if unread := [name for name in state if name.endswith(".alpha")]:
        log.warning("lora.left_out", file=str(path), keys=unread[:NAMED_KEYS], count=len(unread))
        state = {name: value for name, value in state.items() if name not in unread}
    if state:
        raise CheckpointError(f"{path}: {_named(state)} cannot be added")
    if not factors:
        raise CheckpointError(f"{path}: no LoRA for FLUX's transformer")
    return factors


def _alpha(module: str, rank: int, alphas: dict[str, float], metadata: dict[str, Any]) -> float:
    """From the file's tensors, else from its metadata, else the rank, as in diffusers and peft. Where only some layers
    have a tensor, the others have the alpha that most of these have.
    """
    if alphas:
        return alphas.get(f"{module}.alpha", Counter(alphas.values()).most_common(1)[0][0])
    for pattern, alpha in metadata.get("alpha_pattern", {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return float(alpha)
    return float(metadata.get("lora_alpha", rank))


def _name_left_out(path: Path) -> None:
    """Warns of the tensors that diffusers does not read, or not for the transformer, unless they are zero.

    Diffusers renames, scales and splits tensors. So it is given ones of the same names and of rank 1, each filled with
    a number of its own: those whose number does not come out were left out.

    :raises CheckpointError: DoRA's magnitudes are among them.
    """
    with safe_open(path, "pt") as file:
        names = [name for name in file.keys() if not name.endswith(".alpha")]  # noqa: SIM118 - it is no mapping
        if magnitudes := [name for name in names if "dora_scale" in name]:
            raise CheckpointError(f"{path}: diffusers does not read DoRA's {_named(magnitudes)}")
        probe = {name: torch.ones(()) for name in file.keys() if name.endswith(".alpha")}  # noqa: SIM118
        for number, name in enumerate(names, 1):
            shape = list(file.get_slice(name).get_shape())
            if len(shape) == 2:  # noqa: PLR2004 - a matrix
                shape[0 if re.search(r"lora_A|down", name) else 1] = 1
            probe[name] = torch.full(shape, float(number))
        read: Any = FluxPipeline.lora_state_dict(probe)
        arrived = {int(part.flatten()[0]) for name, part in read.items() if name.startswith(PREFIX) and part.numel()}
        left = [name for number, name in enumerate(names, 1) if number not in arrived and file.get_tensor(name).any()]
    if left:
        log.warning("lora.left_out", file=str(path), keys=left[:NAMED_KEYS], count=len(left))


def _named(keys: Collection[str]) -> str:
    more = f" and {len(keys) - NAMED_KEYS} more" if len(keys) > NAMED_KEYS else ""
    return ", ".join(sorted(keys)[:NAMED_KEYS]) + more
