"""Single-stream blocks of full size at 1024 pixels, each way replayed as a CUDA graph: diffusers' compiled by
inductor, torchao's fp8 compiled too, and the worker's own. torchao is left out where it is not installed.
"""

import statistics
import time

import torch
from diffusers import FluxTransformer2DModel
from drawing import result

from worker.flux.denoiser import Denoiser
from worker.flux.graphs import Graphs
from worker.flux.install import BACKENDS, SDPBackend
from worker.flux.linears import quantize_layers
from worker.flux.modulation import Modulations

BLOCKS, TEXT, IMAGE, WIDTH = 4, 512, 4096, 3072


def transformer() -> FluxTransformer2DModel:
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        made = FluxTransformer2DModel(num_layers=0, num_single_layers=BLOCKS, guidance_embeds=True).eval()
    torch.set_default_dtype(torch.float32)
    made.set_attention_backend("_native_cudnn")
    return made


def compiled(with_fp8: bool = False):
    model = transformer()
    if with_fp8:
        from torchao.quantization import (  # noqa: PLC0415
            Float8DynamicActivationFloat8WeightConfig,
            PerRow,
            quantize_,
        )

        way = Float8DynamicActivationFloat8WeightConfig(granularity=PerRow(), set_inductor_config=False)
        quantize_(model.single_transformer_blocks, way)
    model.fuse_qkv_projections()
    model.compile_repeated_blocks(fullgraph=True, dynamic=False)
    return lambda **inputs: model(**inputs, return_dict=False)


def own(with_fp8: bool):
    model = transformer()
    model.fuse_qkv_projections()
    modulations = Modulations(model)
    if with_fp8:
        quantize_layers(model.single_transformer_blocks, "fp8")
    del modulations
    return Denoiser(model, (SDPBackend.CUDNN_ATTENTION, *BACKENDS))


WAYS = {
    "diffusers, compiled": compiled,
    "own": lambda: own(with_fp8=False),
    "torchao fp8, compiled": lambda: compiled(with_fp8=True),
    "own fp8": lambda: own(with_fp8=True),
}


def measure(way: str) -> None:
    torch._dynamo.reset()
    draw = torch.randn(1, TEXT + IMAGE, 4096, device="cuda", dtype=torch.bfloat16)
    inputs = {
        "hidden_states": draw[:, TEXT:, :64].contiguous(),
        "encoder_hidden_states": draw[:, :TEXT].contiguous(),
        "pooled_projections": draw[:, 0, :768].contiguous(),
        "timestep": torch.ones(1, device="cuda", dtype=torch.bfloat16),
        "guidance": torch.ones(1, device="cuda"),
        "txt_ids": torch.zeros(TEXT, 3, device="cuda"),
        "img_ids": torch.zeros(IMAGE, 3, device="cuda"),
    }
    start = time.perf_counter()
    call = Graphs(WAYS[way]())
    call(**inputs)
    torch.cuda.synchronize()
    first = round(time.perf_counter() - start, 1)
    started, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    times = []
    for _ in range(60):
        started.record()
        call(**inputs)
        ended.record()
        ended.synchronize()
        times.append(started.elapsed_time(ended) / BLOCKS)
    milliseconds = round(statistics.median(times), 3)
    result(part="blocks", way=way, milliseconds_a_block=milliseconds, first_call_seconds=first)


def main() -> None:
    for way in WAYS:
        try:
            with torch.inference_mode():
                measure(way)
        except Exception as error:  # noqa: BLE001 - the other ways are measured all the same
            result(part="blocks", way=way, error=repr(error)[:300])


if __name__ == "__main__":
    main()
