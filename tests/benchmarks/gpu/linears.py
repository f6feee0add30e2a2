"""One single-stream block at 1024 pixels, compiled: bf16, the worker's fp8 layers, torchao's. Needs torchao."""

import statistics
import time
from functools import partial

import torch
from diffusers.models.transformers.transformer_flux import FluxSingleTransformerBlock
from drawing import result
from torchao.quantization import Float8DynamicActivationFloat8WeightConfig, PerRow, quantize_

from worker.quantized import quantize

TORCHAO = Float8DynamicActivationFloat8WeightConfig(granularity=PerRow(), set_inductor_config=False)
WAYS = {
    "bf16": lambda _: None,
    "ours": lambda block: quantize(block, "fp8"),
    "torchao": lambda b: quantize_(b, TORCHAO),
}


def measure(way: str, inputs: dict) -> None:
    torch._dynamo.reset()
    with torch.device("cuda"):
        block = FluxSingleTransformerBlock(3072, 24, 128).to(torch.bfloat16).eval()
    WAYS[way](block)
    block.compile(fullgraph=True, dynamic=False)
    call = partial(block, **inputs)
    start = time.perf_counter()
    call()
    torch.cuda.synchronize()
    compiling = round(time.perf_counter() - start, 1)
    started, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    times = []
    for _ in range(30):
        started.record()
        call()
        ended.record()
        ended.synchronize()
        times.append(started.elapsed_time(ended))
    result(part="linears", way=way, milliseconds=round(statistics.median(times), 3), compile_seconds=compiling)


def main() -> None:
    image = torch.randn(1, 4096, 3072, device="cuda", dtype=torch.bfloat16)
    rotary = tuple(torch.randn(4608, 128, device="cuda") for _ in range(2))
    inputs = {"hidden_states": image, "encoder_hidden_states": image[:, :512].clone(), "temb": image[:, 0].clone()}
    for way in WAYS:
        try:
            with torch.inference_mode():
                measure(way, inputs | {"image_rotary_emb": rotary})
        except Exception as error:  # noqa: BLE001 - the other ways are measured all the same
            result(part="linears", way=way, error=repr(error)[:300])


if __name__ == "__main__":
    main()
