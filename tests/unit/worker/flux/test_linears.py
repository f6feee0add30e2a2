import pytest
import torch
from torch import nn

from worker.flux.linears import BYTES_PER_WEIGHT, KINDS, quantize_layers


@pytest.mark.parametrize(("kind", "most"), [("fp8", 0.04), ("int8", 0.012), ("nf4", 0.11)])
@pytest.mark.parametrize("rows", [1, 40])
@pytest.mark.parametrize("bias", [True, False])
def test_close_to_the_layer_that_it_replaces(kind, most, rows, bias):
    torch.manual_seed(0)
    linear = nn.Linear(256, 192, bias=bias)
    x = torch.randn(2, rows, 256)
    with torch.inference_mode():
        expected, found = linear(x), KINDS[kind](linear)(x)
    assert found.shape == expected.shape
    assert (found - expected).norm() <= most * expected.norm()


@pytest.mark.parametrize("kind", KINDS)
def test_takes_what_the_memory_plans_count(kind):
    quantized = KINDS[kind](nn.Linear(4096, 4096, bias=False, dtype=torch.bfloat16))
    held = sum(buffer.nbytes for buffer in quantized.buffers())
    assert held == pytest.approx(BYTES_PER_WEIGHT[kind] * 4096**2, rel=0.002)


@pytest.mark.parametrize("kind", KINDS)
def test_zeros_stay_zeros(kind):
    linear = nn.Linear(64, 32, bias=False)
    nn.init.zeros_(linear.weight)
    with torch.inference_mode():
        assert not KINDS[kind](linear)(torch.zeros(1, 40, 64)).any()


def test_only_layers_whose_shape_the_kernels_take_are_replaced():
    model = nn.Sequential(nn.Linear(64, 64), nn.Sequential(nn.Linear(64, 65), nn.LayerNorm(65)))
    quantize_layers(model, "int8")
    assert [type(part).__name__ for part in (model[0], model[1][0], model[1][1])] == [
        "Int8Linear",
        "Linear",
        "LayerNorm",
    ]
