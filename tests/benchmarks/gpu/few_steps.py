"""Eight steps with an adapter for few steps, in the keys of Hyper-FLUX and Turbo-Alpha (diffusers', no alpha), with
random weights: what such a drawing takes, as the settings that docs/gpu-worker.md names make it.
"""

import tempfile
from pathlib import Path

import torch
from diffusers import FluxTransformer2DModel
from drawing import draw, median_seconds, ready_seconds, result, worker
from safetensors.torch import save_file

RANK, SCALE, STEPS = 64, 0.125, 8


def write_adapter(path: Path) -> int:
    """Of every linear layer of the blocks. Returns how many there are."""
    with torch.device("meta"):
        model = FluxTransformer2DModel(guidance_embeds=True)
    factors = {}
    for name, layer in model.named_modules():
        if isinstance(layer, torch.nn.Linear) and "transformer_blocks" in name:
            shapes = {"A": (RANK, layer.in_features), "B": (layer.out_features, RANK)}
            for part, shape in shapes.items():
                factors[f"transformer.{name}.lora_{part}.weight"] = (
                    torch.randn(shape, device="cuda") * 0.02
                ).bfloat16()
    save_file({name: factor.cpu() for name, factor in factors.items()}, path)
    return len(factors) // 2


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "eight-steps.safetensors"
        layers = write_adapter(path)
        model = worker(
            memory_plan="full", speed_plan="fast", lora_paths=f"{path}:{SCALE}", default_inference_steps=STEPS
        )
        ready = ready_seconds()
    for size in (512, 1024):
        # None: the setting's number of steps.
        seconds = median_seconds(lambda run, size=size: draw(model, size, run, steps=None), 5)
        result(part="few-steps", size=size, steps=STEPS, seconds=seconds, layers=layers, ready=ready)


if __name__ == "__main__":
    main()
