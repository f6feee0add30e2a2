"""The CPU model, loaded the way a card's worker loads FLUX, and from files that are damaged."""

import shutil
from typing import ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from worker.flux import loading, memory_plan
from worker.flux.checkpoint import CPU_MODEL_PATH, Checkpoint, CheckpointError
from worker.flux.linears import QuantizedLinear
from worker.flux.lora import Adapters
from worker.flux.model import FluxModel
from worker.model import Drawing
from worker.settings import WorkerSettings

DRAWING = Drawing("orange flame in a dark blue circle", 256, (7,), steps=2)
CPU = torch.device("cpu")


def model(**settings):
    return FluxModel(WorkerSettings(_env_file=None, torch_device="cpu", warmup_enabled=False, **settings), None)


def draw(model, drawing=DRAWING):
    pixels = model.generate(drawing, lambda _step, _steps: None)
    return np.frombuffer(pixels.data, np.uint8).astype(float)


def psnr(a, b):
    return 10 * np.log10(255**2 / max(1e-9, np.mean((a - b) ** 2)))


@pytest.fixture(scope="module")
def whole():
    ready = model()
    ready.setup()
    return ready, draw(ready)


@pytest.mark.parametrize(
    ("name", "capability"),
    [("full", (9, 0)), ("8bit", (9, 0)), ("8bit", (8, 6)), ("4bit", (9, 0)), ("offload", (9, 0))],
)
def test_each_memory_plan_draws_the_same_image(whole, name, capability):
    """In fp32: a processor takes a minute for the autoencoder in bf16."""
    ready, expected = whole
    plan = memory_plan.plans(capability)[name]
    pipeline = loading.load(Checkpoint(CPU_MODEL_PATH), plan, Adapters(""), CPU, torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    planned = FluxModel(ready._settings, None)
    planned._buckets, planned._pipeline = ready._buckets, pipeline
    assert psnr(draw(planned), expected) >= 25
    kind = {"bf16": "Linear", "fp8": "Fp8Linear", "int8": "Int8Linear", "nf4": "Nf4Linear"}[plan.transformer]
    transformer = pipeline.transformer
    assert type(transformer.single_transformer_blocks[0].proj_mlp).__name__ == kind
    outside = (transformer.x_embedder, transformer.context_embedder, transformer.time_text_embed)
    for part in (*outside, transformer.norm_out, transformer.proj_out):
        assert not any(isinstance(module, QuantizedLinear) for module in part.modules())


def test_half_precision_is_for_every_weight():
    plan = memory_plan.plans((9, 0))["full"]
    pipeline = loading.load(Checkpoint(CPU_MODEL_PATH), plan, Adapters(""), CPU, torch.bfloat16)
    parts = (pipeline.transformer, pipeline.vae, pipeline.text_encoder, pipeline.text_encoder_2)
    assert {weight.dtype for part in parts for weight in part.parameters()} == {torch.bfloat16}


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(CPU_MODEL_PATH, tmp_path / "model")


@pytest.mark.parametrize("component", ["transformer", "text_encoder_2", "vae"])
def test_a_file_that_is_cut_short_is_named(copy, component):
    (file,) = (copy / component).glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=rf"{component}/{file.name}: damaged or cut short"):
        model(model_path=copy).setup()


def test_a_file_that_is_missing_is_named(copy):
    (file,) = (copy / "transformer").glob("*.safetensors")
    file.unlink()
    with pytest.raises(CheckpointError, match=rf"{file.name}: missing"):
        model(model_path=copy).setup()


def test_a_shard_that_is_missing_is_named(copy):
    folder = copy / "transformer"
    (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "part-1.safetensors", "b": "part-2.safetensors"}}'
    )
    (folder / "diffusion_pytorch_model.safetensors").rename(folder / "part-1.safetensors")
    with pytest.raises(CheckpointError, match=r"part-2.safetensors: missing"):
        Checkpoint(copy).check()


def test_a_tensor_of_another_shape_is_named(copy):
    config = copy / "transformer" / "config.json"
    config.write_text(config.read_text().replace('"num_layers": 2', '"num_layers": 3'))
    plan = memory_plan.plans((9, 0))["full"]
    with pytest.raises(CheckpointError, match=r"no tensor transformer_blocks.2"):
        loading.load(Checkpoint(copy), plan, Adapters(""), CPU, torch.float32)


class TestLora:
    """An adapter of rank 2 on two kinds of layers."""

    NAMES: ClassVar = ("transformer_blocks.0.attn.to_q", "single_transformer_blocks.1.proj_mlp")

    @pytest.fixture
    def adapter(self, whole, tmp_path):
        transformer = whole[0]._pipeline.transformer
        generator = torch.Generator().manual_seed(1)
        state = {}
        for name in self.NAMES:
            out, in_ = transformer.get_submodule(name).weight.shape
            state[f"transformer.{name}.lora_A.weight"] = torch.randn(2, in_, generator=generator)
            state[f"transformer.{name}.lora_B.weight"] = torch.randn(out, 2, generator=generator)
            state[f"transformer.{name}.alpha"] = torch.tensor(1.0)
        save_file(state, tmp_path / "adapter.safetensors")
        return tmp_path / "adapter.safetensors", state

    def expected(self, weight, state, name, scale):
        up, down = (state[f"transformer.{name}.lora_{part}.weight"] for part in "BA")
        return weight + scale * 1.0 / 2 * up @ down

    def test_its_share_is_added_to_the_weights(self, whole, adapter):
        path, state = adapter
        adapted = model(lora_paths=f"{path}:0.5")
        adapted.setup()
        before, after = (m._pipeline.transformer for m in (whole[0], adapted))
        for name in self.NAMES:
            weights = self.expected(before.get_submodule(name).weight, state, name, 0.5)
            torch.testing.assert_close(after.get_submodule(name).weight, weights)
        other = "transformer_blocks.0.attn.to_k.weight"
        assert torch.equal(before.get_parameter(other), after.get_parameter(other))
        assert psnr(draw(adapted), whole[1]) < 60

    def test_also_where_the_weights_are_fused_and_quantized(self, adapter, whole):
        path, state = adapter
        plan = memory_plan.plans((8, 6))["8bit"]
        pipeline = loading.load(Checkpoint(CPU_MODEL_PATH), plan, Adapters(str(path)), CPU, torch.float32)
        fused = pipeline.transformer.transformer_blocks[0].attn.to_qkv
        name = self.NAMES[0]
        weights = self.expected(whole[0]._pipeline.transformer.get_submodule(name).weight, state, name, 1.0)
        found = (fused.codes * fused.scale)[: len(weights)]
        assert (found - weights).norm() < 0.01 * weights.norm()

    def test_two_are_added_up(self, adapter):
        path, state = adapter
        adapters = Adapters(f"{path}:0.25,{path}:0.75")
        weight = torch.zeros(len(state[f"transformer.{self.NAMES[0]}.lora_B.weight"]), 192)
        torch.testing.assert_close(
            adapters.add(f"{self.NAMES[0]}.weight", weight), self.expected(weight, state, self.NAMES[0], 1.0)
        )

    def test_one_for_another_model_is_refused(self, tmp_path):
        unknown = {f"transformer.blocks.7.lora_{part}.weight": torch.ones(2, 2) for part in "AB"}
        save_file(unknown, tmp_path / "other.safetensors")
        with pytest.raises(CheckpointError, match=r"no blocks\.7"):
            model(lora_paths=str(tmp_path / "other.safetensors")).setup()

    @pytest.mark.parametrize("content", [None, b"", b"no safetensors at all"])
    def test_a_file_that_is_no_adapter_is_named(self, tmp_path, content):
        path = tmp_path / "adapter.safetensors"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"adapter\.safetensors"):
            Adapters(str(path))
