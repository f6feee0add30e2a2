"""FlashAttention-3 and the passes before it in fp8, against the torch code. Needs Hopper and an optional package."""

import pytest
import torch

from worker.flux import fp8_attention, kept_choices
from worker.flux.attention import Attending, Choice, Kernel, Projections, kernels

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore")]
IMAGES, TEXT, IMAGE = 2, 40, 100
TOKENS, PLACES = TEXT + IMAGE, (slice(None, TEXT), slice(TEXT, None))
HEADS = pytest.mark.parametrize(("heads", "dim"), [(24, 128), (6, 32)], ids=["FLUX", "the CPU model"])
POISONS = pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf")])


@pytest.fixture(autouse=True)
def package():
    if Kernel.FP8 not in kernels(torch.cuda.get_device_capability(), torch.bfloat16, fp8=True):
        pytest.skip("needs Hopper and the package fa3-fwd")


def inputs(heads, dim):
    torch.manual_seed(0)
    parts = [torch.randn(IMAGES * tokens, 3 * heads * dim).bfloat16() for tokens in (TEXT, IMAGE)]
    parts[1].view(-1, 3, heads, dim)[:, 1, :, 0] += 3
    norms = [[torch.nn.RMSNorm(dim, eps=1e-6) for _ in range(2)] for _ in parts]
    for norm in (*norms[0], *norms[1]):
        norm.weight.data.uniform_(0.2, 1.5)
    return parts, norms, torch.rand(TOKENS, dim // 2) * 6


def attended(kernel, parts, norms, angles, heads, start=0, *, units=None):
    like = torch.empty(IMAGES, TOKENS, parts[0].shape[1] // 3, device=angles.device, dtype=torch.bfloat16)
    attending = Attending(kernel, angles.cos(), angles.sin())
    units = units or fp8_attention.units_of(norms, heads)
    projections = Projections(attending, units, like, heads)
    for part, place, own in zip(parts, PLACES, norms, strict=True):
        projections.add(part, place, own)
    return projections.attend(start).float()


def on_card(parts, norms, angles):
    return [part.cuda() for part in parts], [[norm.cuda() for norm in same] for same in norms], angles.cuda()


@HEADS
@torch.inference_mode()
def test_the_codes_are_those_of_the_torch_code(heads, dim):
    parts, norms, angles = inputs(heads, dim)
    found = []
    for place in (lambda *given: given, on_card):
        own, same, turned = place(parts, norms, angles)
        units, streams = fp8_attention.units_of(same, heads), []
        for part, tokens, norm in zip(own, PLACES, same, strict=True):
            part = part.float() if not part.is_cuda else part  # noqa: PLW2901 - torch norms no bf16 in the same way
            streams.append(fp8_attention.Part(part, tokens, norm, turned.cos()[tokens], turned.sin()[tokens]))
        found.append(fp8_attention.quantize(streams, units, (IMAGES, TOKENS, heads, dim)))
    expected, codes = found
    torch.testing.assert_close(codes.value_unit.cpu(), expected.value_unit)
    for part in range(3):
        there, here = codes.qkv[:, :, part].float().cpu(), expected.qkv[:, :, part].float()
        # A number at the edge between two codes may fall either way.
        assert (there - here).norm() <= 5e-3 * here.norm()


@HEADS
@pytest.mark.parametrize(("kernel", "most"), [(Kernel.FLASH3, 0.01), (Kernel.FP8, 0.12)])
@torch.inference_mode()
def test_each_kernel_is_near_torchs(heads, dim, kernel, most):
    parts, norms, angles = on_card(*inputs(heads, dim))
    expected = attended(Kernel.TORCH, [part.clone() for part in parts], norms, angles, heads)
    found = attended(kernel, [part.clone() for part in parts], norms, angles, heads)
    assert 0 < (found - expected).norm() <= most * expected.norm()
    torch.testing.assert_close(attended(kernel, parts, norms, angles, heads, TEXT), found[:, TEXT:])


@HEADS
@POISONS
@pytest.mark.parametrize("kernel", Kernel)
@pytest.mark.parametrize("what", [0, 1, 2], ids=["query", "key", "value"])
@torch.inference_mode()
def test_what_is_not_finite_stays_so_in_its_head(heads, dim, kernel, what, poison):
    for stream, row in ((0, 3), (1, 5), (1, IMAGE - 1)):
        parts, norms, angles = on_card(*inputs(heads, dim))
        parts[stream].view(IMAGES, -1, 3, heads, dim)[1, row, what, 2, 7] = poison
        finite = torch.isfinite(attended(kernel, parts, norms, angles, heads)).view(IMAGES, TOKENS, heads, dim)
        assert finite[0].all()
        assert finite[1, :, [0, 1, 3]].all()
        assert not finite[1, stream * TEXT + row, 2].all()
        if what:
            assert not finite[1, :, 2].all(-1).any()


@POISONS
@pytest.mark.parametrize("kernel", Kernel)
@pytest.mark.parametrize("which", [0, 1])
@torch.inference_mode()
def test_nor_does_a_norm_that_is_not_finite_disappear(kernel, which, poison):
    parts, norms, angles = on_card(*inputs(24, 128))
    units = fp8_attention.units_of(norms, 24)
    norms[1][which].weight[3] = poison
    assert not torch.isfinite(attended(kernel, parts, norms, angles, 24, units=units)).all()


@torch.inference_mode()
def test_one_is_chosen_by_a_timing_within_a_graphs_warm_up(monkeypatch):
    monkeypatch.delenv(kept_choices.FOLDER, raising=False)
    choice = Choice(kernels(torch.cuda.get_device_capability(), torch.bfloat16, fp8=True))
    x = torch.empty(1, 1280, 24 * 128, device="cuda", dtype=torch.bfloat16)
    with torch.cuda.stream(torch.cuda.Stream()):
        assert choice.kernel(x, 24) in Kernel
    torch.cuda.synchronize()
