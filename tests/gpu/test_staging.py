"""Weights through pinned memory arrive as they were, whatever their size, layout and dtype."""

import pytest
import torch

from worker.flux.staging import Staging

pytestmark = pytest.mark.gpu
CARD, BLOCK = torch.device("cuda"), 4096
SHAPES = [(0,), (3,), (BLOCK,), (1 << 20,), ((1 << 20) + 1,), (1031, 1033)]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float8_e4m3fn], ids=str)
def test_what_arrives_is_what_was_there(shape, dtype):
    staging = Staging(CARD, BLOCK)
    tensors = [torch.randn(shape).to(dtype) for _ in range(3)]
    # Several at once: a block is filled again only when the card has read it.
    for tensor, found in zip(tensors, [staging.to_device(tensor, dtype) for tensor in tensors], strict=True):
        assert found.is_cuda
        assert torch.equal(found.cpu().view(torch.uint8), tensor.view(torch.uint8))


def test_in_another_dtype_and_layout():
    tensor = torch.randn(1200, 1100).t()
    found = Staging(CARD, BLOCK).to_device(tensor, torch.bfloat16)
    assert torch.equal(found.cpu(), tensor.bfloat16())
