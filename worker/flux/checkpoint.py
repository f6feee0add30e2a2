"""A FLUX checkpoint in diffusers format: finds its folder, checks that its files are complete, reads single tensors."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from diffusers import FluxPipeline
from safetensors import SafetensorError, safe_open

from shared.observability.logging import get_logger

if TYPE_CHECKING:
    import torch

    from worker.settings import WorkerSettings

log = get_logger(__name__)
CPU_MODEL_NAME = "logo-mini"
FLUX_DEV = "black-forest-labs/FLUX.1-dev"
CPU_MODEL_PATH = Path(__file__).parents[1] / "mini" / "model"
COMPONENTS = ("transformer", "text_encoder", "text_encoder_2", "vae")


class CheckpointError(Exception):
    """A file of the model is missing or damaged; the message names it."""


class Checkpoint:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def check(self) -> int:
        """Reads the files' headers only.

        :returns: the bytes of all weights.
        :raises CheckpointError: a file is missing, or shorter than its header says.
        """
        total = 0
        for component in COMPONENTS:
            if not (self.directory / component / "config.json").is_file():
                raise CheckpointError(f"{self.directory / component / 'config.json'}: missing")
            for path in self.files(component):
                try:
                    with safe_open(path, "pt"):
                        total += path.stat().st_size
                except FileNotFoundError:
                    raise CheckpointError(f"{path}: missing; fetch it again") from None
                except (SafetensorError, OSError) as error:
                    raise CheckpointError(f"{path}: damaged or cut short ({error}); fetch it again") from error
        return total

    def files(self, component: str) -> list[Path]:
        """The safetensors files that the component should have, existing or not."""
        folder = self.directory / component
        for index in sorted(folder.glob("*.safetensors.index.json")):
            names = set(json.loads(index.read_text(encoding="utf-8-sig"))["weight_map"].values())
            return [folder / name for name in sorted(names)]
        single = "model" if component.startswith("text_encoder") else "diffusion_pytorch_model"
        return [folder / f"{single}.safetensors"]

    def config(self, component: str) -> dict[str, Any]:
        config: dict[str, Any] = json.loads(
            (self.directory / component / "config.json").read_text(encoding="utf-8-sig")
        )
        return config

    def tensors(self, component: str) -> Tensors:
        return Tensors(self.files(component))


class Tensors:
    """A context manager of a component's tensors by name. The files are mapped: a tensor is read when it is copied."""

    def __init__(self, files: list[Path]) -> None:
        self._files = files
        self._stack = ExitStack()
        self._handles: dict[str, Any] = {}

    def __enter__(self) -> Self:
        for path in self._files:
            handle = self._stack.enter_context(safe_open(path, "pt"))
            self._handles |= dict.fromkeys(handle.keys(), handle)
        return self

    def __exit__(self, *_: object) -> None:
        self._handles.clear()
        self._stack.close()

    def __contains__(self, name: str) -> bool:
        return name in self._handles

    def get(self, name: str, shape: torch.Size) -> torch.Tensor:
        """:raises CheckpointError: the files have no such tensor, or one of another shape."""
        where = self._files[0].parent
        if name not in self._handles:
            raise CheckpointError(f"{where}: no tensor {name}")
        tensor: torch.Tensor = self._handles[name].get_tensor(name)
        if tensor.shape != shape:
            raise CheckpointError(f"{where}: {name} is {list(tensor.shape)}, the model's config says {list(shape)}")
        return tensor


def model_name(settings: WorkerSettings, device: str) -> str:
    if settings.model_path:
        return settings.model_name or settings.model_path.name
    return settings.model_name or (CPU_MODEL_NAME if device == "cpu" else FLUX_DEV)


def find(settings: WorkerSettings, device: str) -> Checkpoint:
    """MODEL_PATH, the CPU model, or MODEL_NAME from the hub; files that are not in the local cache are fetched.

    :raises CheckpointError: see `check`.
    """
    if settings.model_path:
        directory = settings.model_path
    elif (name := model_name(settings, device)) == CPU_MODEL_NAME:
        directory = CPU_MODEL_PATH
    else:
        token = settings.hf_token.get_secret_value() if settings.hf_token else None
        try:
            directory = Path(FluxPipeline.download(name, token=token, use_safetensors=True))
        except OSError as error:
            if error.filename is None:  # the hub's own error
                raise
            # For example a volume of root's, or a full disk.
            where = f"{error.filename}: {error.strerror}"
            raise CheckpointError(f"{where}; the hub's cache (HF_HOME) must be user {os.getuid()}'s") from error
    checkpoint = Checkpoint(directory)
    log.info("model.found", directory=str(directory), gigabytes=round(checkpoint.check() / 1e9, 2))
    return checkpoint
