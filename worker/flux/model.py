"""FLUX through diffusers: FLUX.1-dev, FLUX.1-schnell, or the CPU model in the repository, all by the same code."""

from __future__ import annotations

import gc
import threading
import time
from functools import lru_cache
from importlib import import_module
from itertools import product
from typing import TYPE_CHECKING, Any

import torch
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from shared.canvas import Canvas, shapes
from shared.gpus import free_bytes
from shared.jobs import Failure
from shared.observability.logging import get_logger
from shared.strength import steps_drawn
from worker.flux import checkpoint as checkpoints
from worker.flux import loading, memory_plan, prompt_filter, source
from worker.flux.checkpoint import CPU_MODEL_PATH
from worker.flux.install import Installed, install
from worker.flux.lora import Adapters
from worker.flux.preview import Previews
from worker.flux.speed_plan import SPEED_PLANS
from worker.flux.step_sync import StepSync
from worker.model import Device, DeviceLost, Drawing, GenerationError, Pixels

if TYPE_CHECKING:
    from shared.gpus import Gpu
    from worker.flux.checkpoint import Checkpoint
    from worker.model import OnStep
    from worker.settings import WorkerSettings

log = get_logger(__name__)

# Edges in pixels. An image is generated at the smallest of these squares that holds the largest size asked for, or at
# an oblong of the nearest aspect with as many pixels as one of them: few shapes to compile, and numbers of pixels that
# the model was trained on.
FLUX_BUCKETS = (512, 768, 1024, 1536, 2048)
# It was trained on squares of one size, and draws no others.
CPU_MODEL_BUCKETS = (256,)
DEFAULT_GUIDANCE = 3.5
# FLUX.1-schnell is distilled to few steps and short prompts, and has no guidance.
DEV_STEPS, SCHNELL_STEPS = 28, 4
SCHNELL_MAX_TOKENS = 256
BF16_CAPABILITY = (8, 0)
COMPILER = "torch._inductor.compile_fx"
# The latest prompts' embeddings are kept on the card, 4 MB each in bf16.
KEPT_PROMPTS = 32


class FluxModel:
    """The worker's `LogoModel`: encodes the prompt, denoises in batches, decodes and checks the output."""

    def __init__(self, settings: WorkerSettings, gpu: Gpu | None, checkpoint: Checkpoint | None = None) -> None:
        """`checkpoint` replaces the one that the settings name."""
        self._settings = settings
        self._gpu = gpu
        self._device = _device_type(settings, gpu)
        self.name = checkpoints.model_name(settings, self._device)
        self._checkpoint = checkpoint
        self._buckets: tuple[int, ...] = FLUX_BUCKETS
        self._pipeline: Any = None
        self._installed: Installed | None = None
        self._previews: Previews | None = None
        self._embeddings = lru_cache(KEPT_PROMPTS)(self._encode_prompt)

    def setup(self) -> None:
        for library in (diffusers_logging, transformers_logging):
            library.disable_progress_bar()
            # The worker's own handlers log what the library says.
            library.disable_default_handler()
            library.enable_propagation()
        prompt_filter.install()
        start = time.perf_counter()
        checkpoint = self._checkpoint or checkpoints.find(self._settings, self._device)
        if checkpoint.directory == CPU_MODEL_PATH:
            self._buckets = CPU_MODEL_BUCKETS
        self._pipeline = pipeline = self._load(checkpoint)
        pipeline.set_progress_bar_config(disable=True)
        if self._settings.enable_vae_slicing:
            pipeline.vae.enable_slicing()
        if self._settings.enable_attention_slicing:
            log.warning("setting.no_effect", setting="ENABLE_ATTENTION_SLICING", reason="FLUX does not slice attention")
        seconds = round(time.perf_counter() - start, 2)
        log.info("model.loaded", model=self.name, device=self._device, text_tokens=self._text_tokens(), seconds=seconds)
        if self._settings.previews and not self._settings.filters_images:
            self._previews = Previews(checkpoint.directory, self._device, pipeline.transformer.config.in_channels // 4)
        if self._settings.warmup_enabled:
            self._warm_up()

    def generate(self, drawing: Drawing, on_step: OnStep) -> Pixels:
        try:
            images = self._generate_in_batches(drawing, on_step)
        except (GenerationError, DeviceLost):
            raise
        except Exception as error:
            if not self._answers():
                raise DeviceLost(f"{type(error).__name__}: {error}") from error
            raise
        canvas = self.bucket(drawing.size)
        return Pixels(canvas.width, canvas.height, b"".join(images), self._cut(drawing.prompt))

    def bucket(self, size: Canvas) -> Canvas:
        """At which an image of `size` is generated."""
        known = shapes(self._buckets, "1:1" if self._buckets == CPU_MODEL_BUCKETS else size.aspect)
        return next((bucket for bucket in known if bucket.holds(size)), known[-1])

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

    def _load(self, checkpoint: Checkpoint) -> Any:
        settings, device = self._settings, torch.device(self._device)
        adapters = Adapters(settings.lora_paths)
        if self._device != "cuda":
            return loading.load_whole(checkpoint, adapters, device, self._dtype())
        memory = memory_plan.choose(
            settings.memory_plan,
            # Asked of NVML, before this process has a CUDA context.
            free_bytes(self._gpu.uuid) if self._gpu else torch.cuda.mem_get_info()[0],
            torch.cuda.get_device_capability(),
            memory_plan.sizes_of(checkpoint),
            images=settings.max_concurrent_jobs,
            text_tokens=settings.max_text_tokens,
        )
        if not memory.streams_everything:
            # The first compilation needs it; its import takes as long as the weights, which are copied meanwhile.
            threading.Thread(target=import_module, args=(COMPILER,), daemon=True).start()
        pipeline = loading.load(checkpoint, memory, adapters, device, self._dtype())
        served = {self.bucket(size) for size in settings.warm_sizes(self._device)}
        self._installed = install(
            pipeline,
            SPEED_PLANS[settings.speed_plan],
            memory,
            served,
            images=settings.max_concurrent_jobs,
            fp8_attention=settings.fp8_attention,
        )
        return pipeline

    def _generate_in_batches(self, drawing: Drawing, on_step: OnStep) -> list[bytes]:
        """RGB bytes of each image. The first batch that runs out of memory is tried again with half of its images and
        decoded in tiles, as are those after it.

        :raises GenerationError: out of memory a second time.
        """
        vae, images = self._pipeline.vae, list[bytes]()
        batch, tiled, reduced = self._settings.max_concurrent_jobs, vae.use_tiling, False
        try:
            while len(images) < len(drawing.seeds):
                seeds = drawing.seeds[len(images) : len(images) + batch]
                done = len(images)
                try:
                    images += self._generate_batch(drawing, seeds, done, on_step)
                    continue
                except torch.OutOfMemoryError as error:
                    log.warning("gpu.out_of_memory", images=len(seeds), size=str(drawing.size), again=not reduced)
                    if reduced:
                        raise GenerationError(
                            Failure.GPU_OUT_OF_MEMORY, "the card has too little memory for this"
                        ) from error
                # Outside of the except clause, where the error still holds the tensors of its frames.
                reduced, batch = True, max(1, len(seeds) // 2)
                vae.enable_tiling()
                self._free()
        finally:
            vae.use_tiling = tiled
        return images

    def _generate_batch(self, drawing: Drawing, seeds: tuple[int, ...], done: int, on_step: OnStep) -> list[bytes]:
        """An image for each of `seeds`; `done`: how many of the request's images earlier batches have made.

        :raises GenerationError: the output is not finite, or black.
        """
        canvas, steps, total = self.bucket(drawing.size), self.steps(drawing), len(drawing.seeds)
        guidance = drawing.guidance
        if guidance is None:
            guidance = self._settings.default_guidance_scale
        if guidance is None:
            guidance = DEFAULT_GUIDANCE
        previews = self._previews

        def report(step: int) -> None:
            progress = (done * steps + step * len(seeds), total * steps)
            preview = previews.arrived(step) if previews else None
            on_step(*progress, preview) if preview else on_step(*progress)

        sync = StepSync(self._device, report)

        def after_step(pipeline: Any, index: int, _: object, tensors: dict[str, Any]) -> dict[str, Any]:
            if previews:
                # Before the step's event, so that the event completes after the preview's copy.
                previews.take(index, tensors["latents"], pipeline.scheduler.sigmas, canvas)
            sync.enqueued(index + 1)
            return tensors

        on_step(done * steps, total * steps)
        with torch.inference_mode():
            embeds, pooled = self._embeddings(drawing.prompt)
            latents, levels = self._start(drawing, seeds, canvas)
            if levels:
                latents = self._pipeline(
                    prompt_embeds=embeds.expand(len(seeds), -1, -1),
                    pooled_prompt_embeds=pooled.expand(len(seeds), -1),
                    height=canvas.height,
                    width=canvas.width,
                    num_inference_steps=steps,
                    sigmas=levels,
                    guidance_scale=guidance,
                    latents=latents,
                    output_type="latent",
                    joint_attention_kwargs={"grid": (canvas.height, canvas.width)} if self._installed else None,
                    callback_on_step_end=after_step,
                ).images
            images = self._decode(latents, canvas)
            finite, pixels = torch.isfinite(images).all(), _to_pixels(images)
            sync.finish(steps)
            if not finite:
                raise GenerationError(Failure.OUTPUT_NOT_FINITE, "the model's output was not finite")
            # An image that is given may be black itself.
            if drawing.image is None and not pixels.flatten(1).any(1).all():
                raise GenerationError(Failure.OUTPUT_BLACK, "the model's output was black")
            return [image.numpy().tobytes() for image in pixels.cpu()]

    def _decode(self, latents: torch.Tensor, canvas: Canvas) -> torch.Tensor:
        """(B, T_image, 64) to the decoder's own output (B, 3, height, width), from -1 to 1. Diffusers' pipeline would
        clamp it, and an infinite number would be a white pixel.
        """
        pipeline, config = self._pipeline, self._pipeline.vae.config
        unpacked = pipeline._unpack_latents(  # noqa: SLF001
            latents, canvas.height, canvas.width, pipeline.vae_scale_factor
        )
        images: torch.Tensor = pipeline.vae.decode(
            unpacked / config.scaling_factor + config.shift_factor, return_dict=False
        )[0]
        return images

    def _noise(self, seeds: tuple[int, ...], canvas: Canvas) -> torch.Tensor:
        """(B, T_image, 64). Made on the CPU in float32, so that a seed gives the same noise on every device and in any
        dtype (torch's random numbers in bf16 are others). Each image has a generator of its own, so that its noise does
        not depend on its batch.
        """
        pipeline = self._pipeline
        channels = pipeline.transformer.config.in_channels // 4
        shape = (1, channels, canvas.height // pipeline.vae_scale_factor, canvas.width // pipeline.vae_scale_factor)
        noise = [torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed)) for seed in seeds]
        packed: torch.Tensor = pipeline._pack_latents(torch.cat(noise), len(seeds), *shape[1:])  # noqa: SLF001
        return packed

    def _start(self, drawing: Drawing, seeds: tuple[int, ...], canvas: Canvas) -> tuple[torch.Tensor, list[float]]:
        """The latents (B, T_image, 64) before the first step, and the noise levels of all steps that are drawn."""
        whole, drawn = self._whole_steps(drawing), self.steps(drawing)
        levels, noise = source.sigmas(whole, drawn), self._noise(seeds, canvas)
        if drawing.image is None or drawn == whole:
            return noise, levels
        latents = source.encode(self._pipeline, drawing.image, canvas)
        if not levels:
            return latents.expand(len(seeds), -1, -1), levels
        return source.noised(self._pipeline, latents, noise, levels), levels

    def steps(self, drawing: Drawing) -> int:
        """Denoising steps that are drawn of each image."""
        whole = self._whole_steps(drawing)
        return whole if drawing.image is None else steps_drawn(whole, drawing.strength)

    def _whole_steps(self, drawing: Drawing) -> int:
        """Of a drawing from noise: the request's, else the setting's, else the model's own."""
        return drawing.steps or self._settings.default_inference_steps or (DEV_STEPS if self._guided else SCHNELL_STEPS)

    @property
    def _guided(self) -> bool:
        """True for FLUX.1-dev, which takes the guidance as an input; false for FLUX.1-schnell."""
        return bool(self._pipeline.transformer.config.guidance_embeds)

    def _text_tokens(self) -> int:
        """T_text: every prompt is padded to so many tokens, or cut."""
        most = min(self._settings.max_text_tokens, int(self._pipeline.tokenizer_2.model_max_length))
        return most if self._guided else min(most, SCHNELL_MAX_TOKENS)

    def _cut(self, prompt: str) -> int | None:
        """How many characters of `prompt` T5 takes; None where it takes all. Said in the log at each drawing, because
        the embeddings of a prompt that was drawn before are not made again.
        """
        most = self._text_tokens()
        found = self._pipeline.tokenizer_2(prompt, return_offsets_mapping=True, verbose=False)
        tokens = len(found["input_ids"])
        if tokens <= most:
            return None
        # The last token that is taken is the end's.
        _, characters = found["offset_mapping"][most - 2]
        log.warning("prompt.cut", tokens=tokens, most=most, characters=characters, of=len(prompt))
        return int(characters)

    def _encode_prompt(self, prompt: str) -> tuple[torch.Tensor, torch.Tensor]:
        """T5's embeddings (1, T_text, 4096) and CLIP's pooled one (1, 768)."""
        embeds, pooled, _ = self._pipeline.encode_prompt(
            prompt=prompt, device=torch.device(self._device), max_sequence_length=self._text_tokens()
        )
        return embeds, pooled

    def _warm_up(self) -> None:
        """Generates every batch that a job can have at each size that is served, so that no request waits for
        compilation or capture at first use. The largest first: smaller shapes' graphs use its memory again, and where
        it runs out, the graphs that are dropped for a smaller batch are few.
        """
        settings = self._settings
        batches = range(1, settings.max_concurrent_jobs + 1) if self._device == "cuda" else (1,)
        served = {self.bucket(size) for size in settings.warm_sizes(self._device)}
        for canvas, images in sorted(product(served, batches), key=lambda s: (s[0].pixels * s[1], *s), reverse=True):
            start = time.perf_counter()
            drawing = Drawing(settings.warmup_prompt, canvas, tuple(range(images)), steps=settings.warmup_steps)
            self.generate(drawing, lambda *_: None)
            log.info("model.warm", size=str(canvas), images=images, seconds=round(time.perf_counter() - start, 2))

    def _free(self) -> None:
        """Returns all memory to the card that can be allocated again."""
        if self._installed:
            self._installed.free()
        gc.collect()
        if self._device == "cuda":
            torch.cuda.empty_cache()

    def _answers(self) -> bool:
        """Whether the card still works for this process. After an illegal memory access every call fails."""
        if self._device != "cuda":
            return True
        try:
            torch.cuda.synchronize()
            torch.ones(1, device="cuda").item()
        except torch.OutOfMemoryError:
            return True
        except RuntimeError:
            return False
        return True

    def _dtype(self) -> torch.dtype:
        if self._device == "cpu" or not self._settings.use_fp16:
            return torch.float32
        # Of the card itself: torch would also say yes where it emulates bf16.
        has_bf16 = self._device == "mps" or torch.cuda.get_device_capability() >= BF16_CAPABILITY
        return torch.bfloat16 if has_bf16 else torch.float16


def _to_pixels(images: torch.Tensor) -> torch.Tensor:
    """(B, 3, height, width) from -1 to 1, to uint8 (B, height, width, 3)."""
    return (images * 0.5 + 0.5).clamp(0, 1).mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _device_type(settings: WorkerSettings, gpu: Gpu | None) -> str:
    if settings.torch_device != "auto":
        return settings.torch_device
    return "cuda" if gpu else "cpu"
