"""LoRA files in each format that diffusers reads for FLUX: the weights that diffusers with peft would have, or an error
or a warning that names the keys. The formulas are those of the papers.
"""

import json

import pytest
import torch
from safetensors.torch import save_file

from worker.flux import lora
from worker.flux.checkpoint import CheckpointError
from worker.flux.lora import Adapters

RANK = 4
NAME = "transformer_blocks.0.attn.to_out.0"


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


UP, DOWN = random(64, RANK), random(RANK, 48)


@pytest.fixture
def saved(tmp_path):
    def _saved(state, **metadata):
        path = tmp_path / "adapter.safetensors"
        held = {"format": "pt"}
        if metadata:
            held["lora_adapter_metadata"] = json.dumps({f"transformer.{name}": metadata[name] for name in metadata})
        save_file({name: part.clone() for name, part in state.items()}, path, held)
        return str(path)

    return _saved


@pytest.fixture
def warned(monkeypatch):
    """The keys that warnings name."""
    keys = []

    class Log:
        def info(self, *_, **__):
            pass

        def warning(self, event, **fields):
            assert event == "lora.left_out"
            keys.extend(fields["keys"])

    monkeypatch.setattr(lora, "log", Log())
    return keys


def peft(module=NAME, up=UP, down=DOWN):
    return {f"transformer.{module}.lora_A.weight": down, f"transformer.{module}.lora_B.weight": up}


def added(path, module=NAME, shape=(64, 48)):
    return Adapters(path).add(f"{module}.weight", torch.zeros(shape))


class TestScale:
    """alpha / rank; alpha is a tensor of the file or in its metadata, and the rank where it is neither."""

    def test_without_an_alpha_it_is_one(self, saved):
        torch.testing.assert_close(added(saved(peft())), UP @ DOWN)

    def test_of_an_alpha_in_the_file(self, saved):
        path = saved(peft() | {f"transformer.{NAME}.alpha": torch.tensor(2.0)})
        torch.testing.assert_close(added(path), 0.5 * UP @ DOWN)

    def test_of_an_alpha_of_some_layers_for_all_others(self, saved):
        """As diffusers has it: that of most of them."""
        names = [f"transformer_blocks.{number}.attn.to_out.0" for number in range(4)]
        state = {key: value.clone() for name in names for key, value in peft(name).items()}
        given = zip(names[:3], (8.0, 2.0, 2.0), strict=True)
        path = saved(state | {f"transformer.{name}.alpha": torch.tensor(alpha) for name, alpha in given})
        for name, alpha in zip(names, (8, 2, 2, 2), strict=True):
            torch.testing.assert_close(added(path, name), alpha / RANK * UP @ DOWN)

    def test_of_an_alpha_in_the_metadata(self, saved):
        torch.testing.assert_close(added(saved(peft(), lora_alpha=2)), 0.5 * UP @ DOWN)

    def test_of_an_alpha_for_some_layers(self, saved):
        path = saved(peft(), lora_alpha=2, alpha_pattern={"attn.to_out.0": 8, "attn.to_q": 1})
        torch.testing.assert_close(added(path), 2.0 * UP @ DOWN)

    def test_rank_stabilized_it_is_alpha_by_the_root_of_the_rank(self, saved):
        """https://arxiv.org/abs/2312.03732"""
        torch.testing.assert_close(added(saved(peft(), lora_alpha=3, use_rslora=True)), 1.5 * UP @ DOWN)


class TestDora:
    MAGNITUDE = random(64).abs()

    @pytest.mark.parametrize("key", ["lora_magnitude_vector", "lora_magnitude_vector.weight"])
    @pytest.mark.parametrize("scale", [1.0, 0.5])
    def test_rows_get_their_magnitudes(self, saved, key, scale):
        path = saved(peft() | {f"transformer.{NAME}.{key}": self.MAGNITUDE}, lora_alpha=2, use_dora=True)
        weight = random(64, 48)
        found = Adapters(f"{path}:{scale}").add(f"{NAME}.weight", weight)
        total = weight + scale * 0.5 * UP @ DOWN
        torch.testing.assert_close(found, self.MAGNITUDE[:, None] * total / total.norm(dim=1, keepdim=True))
        torch.testing.assert_close(found.norm(dim=1), self.MAGNITUDE)

    def test_without_its_magnitudes_it_is_refused(self, saved):
        with pytest.raises(CheckpointError, match=rf"{NAME}\.lora_magnitude_vector"):
            added(saved(peft(), use_dora=True))

    def test_magnitudes_of_another_layer_are_refused(self, saved):
        path = saved(peft() | {f"transformer.{NAME}.lora_magnitude_vector": torch.ones(63)})
        with pytest.raises(CheckpointError, match="64 rows, not 63"):
            added(path)

    def test_kohyas_magnitudes_are_refused_by_name(self, saved):
        name = "lora_unet_double_blocks_0_img_attn_proj"
        state = {f"{name}.lora_down.weight": DOWN, f"{name}.lora_up.weight": UP, f"{name}.dora_scale": self.MAGNITUDE}
        with pytest.raises(CheckpointError, match=f"{name}.dora_scale"):
            added(saved(state))


class TestFormats:
    def test_kohya(self, saved, warned):
        name = "lora_unet_double_blocks_0_img_attn_proj"
        state = {f"{name}.lora_down.weight": DOWN, f"{name}.lora_up.weight": UP, f"{name}.alpha": torch.tensor(2.0)}
        torch.testing.assert_close(added(saved(state)), 0.5 * UP @ DOWN)
        assert not warned

    def test_kohyas_joined_projections(self, saved, warned):
        name, up, down = "lora_unet_double_blocks_1_img_attn_qkv", random(3 * 64, RANK), random(RANK, 48)
        path = saved({f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up})
        for place, part in enumerate(("to_q", "to_k", "to_v")):
            found = added(path, f"transformer_blocks.1.attn.{part}")
            torch.testing.assert_close(found, (up @ down)[64 * place : 64 * place + 64])
        assert not warned

    def test_comfyui(self, saved, warned):
        name = "diffusion_model.double_blocks.0.img_attn.proj"
        found = added(saved({f"{name}.lora_down.weight": DOWN, f"{name}.lora_up.weight": UP}))
        torch.testing.assert_close(found, UP @ DOWN)
        assert not warned

    def test_xlabs(self, saved, warned):
        name, up = "double_blocks.0.processor", random(3 * 64, RANK)
        state = {f"{name}.proj_lora1.down.weight": DOWN, f"{name}.proj_lora1.up.weight": UP}
        state |= {f"{name}.qkv_lora2.down.weight": DOWN, f"{name}.qkv_lora2.up.weight": up}
        path = saved(state)
        torch.testing.assert_close(added(path), UP @ DOWN)
        found = added(path, "transformer_blocks.0.attn.add_k_proj")
        torch.testing.assert_close(found, (up @ DOWN)[64:128])
        assert not warned

    def test_older_names_of_diffusers(self, saved, warned):
        state = {f"transformer.{NAME}.lora.down.weight": DOWN, f"transformer.{NAME}.lora.up.weight": UP}
        torch.testing.assert_close(added(saved(state)), UP @ DOWN)
        assert not warned


class TestWhatIsNotUsed:
    @pytest.mark.parametrize(
        "name",
        [
            f"transformer.{NAME}.lora_B.bias",
            "transformer.transformer_blocks.0.attn.norm_q.weight",  # of a control LoRA
            f"transformer.{NAME}.lokr_w1",
            f"transformer.{NAME}.new_kind",
        ],
    )
    def test_for_the_transformer_it_is_refused_by_name(self, saved, name):
        with pytest.raises(CheckpointError, match=name.removeprefix("transformer.")):
            added(saved(peft() | {name: torch.ones(64)}))

    def test_half_of_a_pair_is_refused_by_name(self, saved):
        state = peft()
        del state[f"transformer.{NAME}.lora_B.weight"]
        with pytest.raises(CheckpointError, match=rf"no {NAME}\.lora_B\.weight"):
            added(saved(state))

    def test_for_a_text_encoder_it_is_named(self, saved, warned):
        other = "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_A.weight"
        added(saved(peft() | {other: DOWN}))
        assert warned == [other]

    @pytest.mark.parametrize(
        "other",
        [
            "diffusion_model.double_blocks.0.img_attn.proj.diff_b",
            "text_encoders.t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.q.lora_down.weight",
            "diffusion_model.final_layer.linear.lora_down.weight",
            "something.else",
        ],
    )
    def test_what_diffusers_drops_is_named(self, saved, warned, other):
        name = "diffusion_model.double_blocks.0.img_attn.proj"
        state = {f"{name}.lora_down.weight": DOWN, f"{name}.lora_up.weight": UP}
        torch.testing.assert_close(added(saved(state | {other: torch.ones(4, 4)})), UP @ DOWN)
        assert warned == [other]

    def test_zeros_are_not(self, saved, warned):
        name = "diffusion_model.double_blocks.0.img_attn.proj"
        state = {f"{name}.lora_down.weight": DOWN, f"{name}.lora_up.weight": UP, f"{name}.diff_b": torch.zeros(64)}
        added(saved(state))
        assert not warned
