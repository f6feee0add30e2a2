"""Settings of the workers. The names are those of the first version, so that an existing `.env` works."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from shared.settings import Settings


class WorkerSettings(Settings):
    model_name: str | None = Field(None, description="Hub id; unset: FLUX.1-dev on a GPU, else the CPU model.")
    model_path: Path | None = Field(None, description="A local directory in diffusers format; goes before MODEL_NAME.")
    hf_token: SecretStr | None = None
    torch_device: Literal["auto", "cuda", "mps", "cpu"] = "auto"
    gpu: str = Field("auto", description="auto: any free card; or an index or UUID.")
    gpu_lock_dir: Path = Path(tempfile.gettempdir()) / "logo-gpu-locks"
    use_fp16: bool = Field(True, description="Half precision on a GPU: bf16 where the card has it, else fp16.")
    enable_attention_slicing: bool = Field(False, description="No effect on FLUX; accepted for old .env files.")
    enable_vae_slicing: bool = False
    max_concurrent_jobs: int = Field(
        1, ge=1, le=8, description="Images that one GPU denoises together; 1 until jobs have variations."
    )
    default_inference_steps: int | None = Field(None, ge=1, le=50, description="Unset: the model's own.")
    default_guidance_scale: float | None = Field(None, ge=0, le=20, description="Unset: the model's own.")
    warmup_enabled: bool = True
    warmup_prompt: str = "a red circle"
    warmup_size: int = Field(512, ge=64, le=2048)
    warmup_steps: int = Field(2, ge=1, le=50)
    stall_seconds: float = Field(300, ge=5, description="A denoising step that takes longer ends its process.")
    webhook_concurrency: int = Field(8, ge=1, le=256, description="Webhooks that are sent at the same time.")
    finish_concurrency: int = Field(2, ge=1, le=64, description="Processes of a finish worker.")
