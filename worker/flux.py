"""FLUX through diffusers: FLUX.1-dev, FLUX.1-schnell, or the CPU model in the repository, all by the same code."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from diffusers import FluxPipeline
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from shared.logging import get_logger
from shared.settings import CPU_MODEL_NAME, FLUX_DEV
from worker.model import Device, Drawing, GenerationError, Pixels

if TYPE_CHECKING:
    from shared.gpus import Gpu
    from worker.model import OnStep
    from worker.settings import WorkerSettings

log = get_logger(__name__)

CPU_MODEL_PATH = Path(__file__).parent / "mini" / "model"
# A request is drawn at the smallest of these that holds its largest size: static shapes, and sizes the model knows.
FLUX_BUCKETS = (512, 768, 1024, 1536, 2048)
CPU_MODEL_BUCKETS = (256,)
DEFAULT_STEPS = 28
DEFAULT_GUIDANCE = 3.5


class FluxModel:
    def __init__(self, settings: WorkerSettings, gpu: Gpu | None) -> None:
        self._settings = settings
        self._gpu = gpu
        self._device = _device_type(settings, gpu)
        self.name, self._location = _location(settings, self._device)
        self._buckets = CPU_MODEL_BUCKETS if self._location == str(CPU_MODEL_PATH) else FLUX_BUCKETS
        self._pipeline: Any = None

    def setup(self) -> None:
        for library in (diffusers_logging, transformers_logging):
            library.disable_progress_bar()
            # Into our own lines instead of the library's.
            library.disable_default_handler()
            library.enable_propagation()
        start = time.perf_counter()
        token = self._settings.hf_token
        pipeline = FluxPipeline.from_pretrained(
            self._location,
            dtype=self._dtype(),
            use_safetensors=True,
            token=token.get_secret_value() if token else None,
        )
        pipeline.to(self._device)
        pipeline.set_progress_bar_config(disable=True)
        if self._settings.enable_vae_slicing:
            pipeline.vae.enable_slicing()
        if self._settings.enable_attention_slicing:
            log.warning("setting.no_effect", setting="ENABLE_ATTENTION_SLICING", reason="FLUX does not slice attention")
        self._pipeline = pipeline
        log.info("model.loaded", model=self.name, device=self._device, seconds=round(time.perf_counter() - start, 2))
        if self._settings.warmup_enabled:
            self._warm_up()

    def generate(self, drawing: Drawing, on_step: OnStep) -> Pixels:
        bucket = self.bucket(drawing.size)
        steps = drawing.steps or self._settings.default_inference_steps or DEFAULT_STEPS
        guidance = drawing.guidance
        if guidance is None:
            guidance = self._settings.default_guidance_scale
        if guidance is None:
            guidance = DEFAULT_GUIDANCE

        def after_step(_: object, index: int, __: object, tensors: dict[str, Any]) -> dict[str, Any]:
            on_step(index + 1, steps)
            return tensors

        on_step(0, steps)
        with torch.inference_mode():
            (image,) = self._pipeline(
                prompt=drawing.prompt,
                height=bucket,
                width=bucket,
                num_inference_steps=steps,
                guidance_scale=guidance,
                # On the CPU, so that a seed gives the same noise on every device.
                generator=torch.Generator("cpu").manual_seed(drawing.seed),
                max_sequence_length=min(512, self._pipeline.tokenizer_2.model_max_length),
                output_type="pt",
                callback_on_step_end=after_step,
            ).images
            if not torch.isfinite(image).all():
                raise GenerationError("output_not_finite", "the model's output was not finite")
            pixels = image.mul(255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().cpu()
        return Pixels(width=bucket, height=bucket, data=pixels.numpy().tobytes())

    def bucket(self, size: int) -> int:
        return next((bucket for bucket in self._buckets if bucket >= size), self._buckets[-1])

    def device(self) -> Device:
        if self._device != "cuda" or self._gpu is None:
            return Device(type=self._device, name=self._device)
        return Device(
            type="cuda",
            name=self._gpu.name,
            uuid=self._gpu.uuid,
            memory_allocated_bytes=torch.cuda.memory_allocated(),
            memory_reserved_bytes=torch.cuda.memory_reserved(),
            memory_total_bytes=self._gpu.memory_total_bytes,
        )

    def _warm_up(self) -> None:
        start = time.perf_counter()
        settings = self._settings
        drawing = Drawing(settings.warmup_prompt, settings.warmup_size, seed=0, steps=settings.warmup_steps)
        self.generate(drawing, lambda _step, _steps: None)
        log.info("model.warm", size=self.bucket(drawing.size), seconds=round(time.perf_counter() - start, 2))

    def _dtype(self) -> torch.dtype:
        if self._device == "cpu" or not self._settings.use_fp16:
            return torch.float32
        return torch.bfloat16 if self._device == "mps" or torch.cuda.is_bf16_supported() else torch.float16


def _device_type(settings: WorkerSettings, gpu: Gpu | None) -> str:
    if settings.torch_device != "auto":
        return settings.torch_device
    return "cuda" if gpu else "cpu"


def _location(settings: WorkerSettings, device: str) -> tuple[str, str]:
    """The model's name, and where it is loaded from: a directory or a hub id."""
    if settings.model_path:
        return settings.model_name or settings.model_path.name, str(settings.model_path)
    name = settings.model_name or (CPU_MODEL_NAME if device == "cpu" else FLUX_DEV)
    return name, str(CPU_MODEL_PATH) if name == CPU_MODEL_NAME else name
