"""Settings of the workers. Their names are stable, so that an existing `.env` works."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, DirectoryPath, Field, SecretStr

from shared.canvas import ASPECTS, MAX_EDGE, MAX_RATIO, MIN_EDGE, Canvas
from shared.settings import AtHome, CommaSeparated, Settings, load
from shared.tenants import KeysFile  # noqa: TC001 - pydantic reads it when the class is built
from worker import adapters

if TYPE_CHECKING:
    from shared.jobs import Job


def _size(value: object) -> object:
    """`512`, `1536x512`, or an aspect."""
    if isinstance(value, Canvas) or not isinstance(value, str | int):
        return value
    try:
        size = Canvas.of_aspect(str(value)) if value in ASPECTS else Canvas.named(str(value))
    except ValueError:
        raise ValueError(f"{value}: each is such as 512 or 1536x512, or an aspect such as 3:1") from None
    if not MIN_EDGE <= min(size.width, size.height) <= size.longest <= MAX_EDGE:
        raise ValueError(f"{value}: each edge has {MIN_EDGE} to {MAX_EDGE} pixels")
    if size.longest > MAX_RATIO * min(size.width, size.height):
        raise ValueError(f"{value}: the longer edge is at most {MAX_RATIO} times the shorter one")
    return size


Size = Annotated[Canvas, BeforeValidator(_size)]


def _cache_dir() -> Path:
    """In the home folder; for a user without one, as in containers, a folder of its own beside temporary files."""
    try:
        return Path.home() / ".cache" / "logo-generator"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"logo-generator-{os.getuid()}"


class WorkerSettings(Settings):
    model_name: str | None = Field(None, description="Hub id; unset: FLUX.1-dev on a GPU, else the CPU model.")
    model_path: Annotated[DirectoryPath | None, AtHome] = Field(
        None, description="A local directory in diffusers format; used instead of MODEL_NAME."
    )
    hf_token: SecretStr | None = None
    torch_device: Literal["auto", "cuda", "mps", "cpu"] = "auto"
    gpu: str = Field("auto", description="auto: any free card; or a list of indices and UUIDs.")
    gpu_lock_dir: Annotated[Path, AtHome] = Path(tempfile.gettempdir()) / "logo-gpu-locks"
    use_fp16: bool = Field(True, description="Half precision on a GPU: bf16 where the card has it, else fp16.")
    enable_attention_slicing: bool = Field(False, description="No effect on FLUX; accepted for old .env files.")
    enable_vae_slicing: bool = False
    memory_plan: Literal["auto", "full", "8bit", "4bit", "offload"] = Field(
        "auto",
        description="On a GPU: how the weights are kept; auto: the first that fits (worker/flux/memory_plan.py).",
    )
    speed_plan: Literal["exact", "fast", "draft"] = Field(
        "exact",
        description="On a GPU: bf16, fp8 products, or fp8 at some of the steps (worker/flux/install.py).",
    )
    fp8_attention: bool = Field(
        False,
        description="With `fast` and `draft` on Hopper, where fa3-fwd is installed: attention in 8 bits, coarser.",
    )
    lora_paths: Annotated[str, AfterValidator(adapters.existing)] = Field(
        "", description="Adapters, `file[:scale]`, separated by commas."
    )
    served_sizes: Annotated[tuple[Size, ...], *CommaSeparated] = Field(
        (),
        description="Pixels such as 512 or 1536x512, or aspects such as 3:1 (1776x592), warmed up before the worker is "
        "ready; unset: 512,1024 on a GPU.",
    )
    compile_cache_dir: Annotated[Path, AtHome] = Field(
        default_factory=_cache_dir, description="Compiled kernels, by card and versions."
    )
    max_concurrent_jobs: int = Field(1, ge=1, le=8, description="How many of a job's variations are denoised together.")
    default_inference_steps: int | None = Field(None, ge=1, le=50, description="Unset: the model's own.")
    default_guidance_scale: float | None = Field(None, ge=0, le=20, description="Unset: the model's own.")
    max_text_tokens: int = Field(
        256,
        ge=64,
        le=512,
        description="T5's tokens of a prompt with its guidance, 256 at most for FLUX.1-schnell; what is beyond is cut.",
    )
    warmup_enabled: bool = True
    warmup_prompt: str = "a red circle"
    warmup_size: int = Field(512, ge=64, le=2048)
    warmup_steps: int = Field(2, ge=1, le=50)
    stall_seconds: float = Field(300, ge=5, description="A denoising step that takes longer ends its process.")
    evict_images_when_full: bool = Field(
        True, description="When Redis has no room for the next drawing, give up the oldest images before their time."
    )
    webhook_failures_per_minute: int = Field(
        30, ge=0, description="Tries for one key that a host refuses or does not answer; more wait. 0: any number."
    )
    webhook_concurrency: int = Field(8, ge=1, le=256, description="Webhooks that are sent at the same time.")
    metadata: bool = Field(True, description="Prompt, seed, model, steps and guidance in the images' own metadata.")
    content_credentials: bool = Field(True, description="Sign images with C2PA content credentials.")
    signing_certificate: Path | None = Field(
        None, description="PEM: the signer's certificate, then those above it. Unset: one for development."
    )
    signing_key: Path | None = Field(None, description="PEM: the key of SIGNING_CERTIFICATE.")
    finish_concurrency: int = Field(2, ge=1, le=64, description="Processes of a finish worker.")

    def images_kept_seconds(self, job: Job) -> int:
        """The owner's own time, or everybody's."""
        return job.result_ttl_seconds or self.result_ttl_seconds

    def warm_sizes(self, device: str) -> list[Canvas]:
        """The sizes to warm up. Without a GPU nothing is compiled, so one size is enough."""
        if self.served_sizes:
            return list(self.served_sizes)
        return [Canvas.of(edge) for edge in ((512, 1024) if device == "cuda" else (self.warmup_size,))]


class WebhookSettings(WorkerSettings):
    keys_file: KeysFile = Field(None, description="Keys may have webhook secrets of their own in it (api/settings.py).")


if __name__ == "__main__":  # checks the settings, for `make serve`
    load(WorkerSettings)
