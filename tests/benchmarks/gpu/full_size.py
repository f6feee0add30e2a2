"""FLUX.1-dev at full size with random weights: time and memory depend on the shapes, not on the values.

No weights are downloaded. The large parts are drawn on the card while the worker's own loader asks for them; the
small ones (CLIP, the autoencoder) are written to a folder once.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

from worker.flux import preview
from worker.flux.checkpoint import CPU_MODEL_PATH, Checkpoint, Tensors

FOLDER = Path(tempfile.gettempdir()) / "flux-full-size"
T5_XXL = {
    "vocab_size": 32128,
    "d_model": 4096,
    "d_kv": 64,
    "num_heads": 64,
    "d_ff": 10240,
    "num_layers": 24,
    "feed_forward_proj": "gated-gelu",
    "eos_token_id": 1,
    "pad_token_id": 0,
}
CLIP_L = {
    "vocab_size": 49408,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "projection_dim": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
SHARD_BYTES = 5e9


class RandomTensors(Tensors):
    def __contains__(self, name: str) -> bool:
        return True

    def get(self, name: str, shape: torch.Size) -> torch.Tensor:
        """Norms near one and weights small, so that nothing overflows on the way."""
        noise = torch.randn(shape, device="cuda", dtype=torch.bfloat16) * 0.02
        return noise + 1 if "norm" in name and len(shape) == 1 and name.endswith("weight") else noise


class RandomCheckpoint(Checkpoint):
    def tensors(self, component: str) -> Tensors:
        return RandomTensors([])


def random_checkpoint() -> RandomCheckpoint:
    if not (FOLDER / "ready").exists():
        _write_small_parts()
    return RandomCheckpoint(FOLDER)


def _write_small_parts() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    shutil.copytree(CPU_MODEL_PATH, FOLDER, ignore=shutil.ignore_patterns("*.safetensors", preview.TABLE))
    tokenizer = FOLDER / "tokenizer_2" / "tokenizer_config.json"
    tokenizer.write_text(json.dumps(json.loads(tokenizer.read_text()) | {"model_max_length": 512}))
    with torch.device("meta"):
        FluxTransformer2DModel(guidance_embeds=True).save_config(FOLDER / "transformer")
    T5Config(**T5_XXL).save_pretrained(FOLDER / "text_encoder_2")
    CLIPTextModel(CLIPTextConfig(**CLIP_L)).to(torch.bfloat16).save_pretrained(FOLDER / "text_encoder")
    AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=16,
        sample_size=1024,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        scaling_factor=0.3611,
        shift_factor=0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
    ).to(torch.bfloat16).save_pretrained(FOLDER / "vae")
    (FOLDER / "ready").touch()


def write_large_parts() -> Checkpoint:
    """As files in shards, 33 GB, for what measures loading itself."""
    random_checkpoint()
    with torch.device("meta"):
        models = {
            "transformer": FluxTransformer2DModel(guidance_embeds=True),
            "text_encoder_2": T5EncoderModel(T5Config(**T5_XXL)),
        }
    for component, model in models.items():
        stem = "model" if component == "text_encoder_2" else "diffusion_pytorch_model"
        shard, held, number, where = {}, 0, 1, {}
        names = [name for name in model.state_dict() if name != "encoder.embed_tokens.weight"]
        source = RandomTensors([])
        for name in names:
            shard[name] = source.get(name, model.state_dict()[name].shape).cpu()
            held += shard[name].nbytes
            where[name] = f"{stem}-{number:05}.safetensors"
            if held > SHARD_BYTES or name == names[-1]:
                save_file(shard, FOLDER / component / where[name])
                shard, held, number = {}, 0, number + 1
        index = {"metadata": {}, "weight_map": where}
        (FOLDER / component / f"{stem}.safetensors.index.json").write_text(json.dumps(index))
    return Checkpoint(FOLDER)


def todays_pipeline(dtype: torch.dtype = torch.float16) -> FluxPipeline:
    """What the service did at first: fp16, eager, attention and VAE slicing asked for."""
    random_checkpoint()
    torch.set_default_dtype(dtype)
    with torch.device("cuda"):
        transformer = FluxTransformer2DModel(guidance_embeds=True).eval()
        t5 = T5EncoderModel(T5Config(**T5_XXL)).eval()
    torch.set_default_dtype(torch.float32)
    pipeline = FluxPipeline.from_pretrained(FOLDER, transformer=transformer, text_encoder_2=t5, dtype=dtype)
    pipeline.vae.to("cuda")
    pipeline.text_encoder.to("cuda")
    assert isinstance(pipeline.scheduler, FlowMatchEulerDiscreteScheduler)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.enable_attention_slicing(1)
    pipeline.vae.enable_slicing()
    return pipeline
