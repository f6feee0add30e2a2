"""Attention in 8 bits against attention in full, and how its kernel is chosen. The kernels themselves: tests/gpu."""

import math
import sys
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional

from worker.flux import attention, fp8_attention, kept_choices
from worker.flux.attention import Attending, Choice, Kernel, Projections, kernels

IMAGES, TEXT, IMAGE, HEADS, DIM = 2, 24, 72, 3, 32
TOKENS, WIDTH = TEXT + IMAGE, HEADS * DIM
PLACES = slice(None, TEXT), slice(TEXT, None)


def norms(largest=1.0):
    made = [torch.nn.RMSNorm(DIM, eps=1e-6) for _ in range(2)]
    for norm in made:
        norm.weight.data.uniform_(0.2, largest)
    return made


def attended(kernel, parts, streams, start=0):
    """`parts`: (B * T_s, 3 * W) of each stream. In float32."""
    torch.manual_seed(1)
    angles = torch.rand(TOKENS, DIM // 2) * 6
    attending = Attending(kernel, angles.cos(), angles.sin())
    units = fp8_attention.units_of(streams, HEADS)
    projections = Projections(attending, units, torch.empty(IMAGES, TOKENS, WIDTH), HEADS)
    for part, place, own in zip(parts, PLACES, streams, strict=True):
        projections.add(part.clone(), place, own)
    return projections.attend(start)


@pytest.fixture
def streams():
    torch.manual_seed(0)
    return norms(), norms(1.5)


@pytest.fixture
def parts():
    torch.manual_seed(2)
    return [torch.randn(IMAGES * tokens, 3 * WIDTH) for tokens in (TEXT, IMAGE)]


@torch.inference_mode()
def test_in_fp8_it_is_near_that_in_full(streams, parts):
    expected, found = (attended(kernel, parts, streams) for kernel in (Kernel.TORCH, Kernel.FP8))
    assert found.shape == (IMAGES, TOKENS, WIDTH)
    assert 0.005 < (found - expected).norm() / expected.norm() < 0.08


@torch.inference_mode()
def test_only_the_queries_from_a_token_on(streams, parts):
    for kernel in (Kernel.TORCH, Kernel.FP8):
        torch.testing.assert_close(attended(kernel, parts, streams, TEXT), attended(kernel, parts, streams)[:, TEXT:])


@torch.inference_mode()
def test_what_the_keys_have_in_common_is_not_rounded(parts):
    """Without their mean taken off, the rounding of what is common would drown a key's own."""
    angles = torch.zeros(TOKENS, DIM // 2)
    attending = Attending(Kernel.FP8, angles.cos(), angles.sin())
    own_norms, errors = norms(), {}
    for norm in own_norms:
        norm.weight.fill_(1.6)
    for centred in (True, False):
        common = [part.clone() for part in parts]
        for part in common:
            part.view(-1, 3, HEADS, DIM)[:, 1, :, :8] += 12
        whole = torch.cat([p.view(IMAGES, -1, 3 * WIDTH) for p in common], 1).flatten(0, 1)
        room = torch.empty(IMAGES, TOKENS, 3, HEADS, DIM)
        fp8_attention.norm_rotate(whole, room, own_norms, attending.cos, attending.sin)
        query, key, value = (part.transpose(1, 2) for part in room.unbind(2))
        expected = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        own = fp8_attention.Part(whole, slice(None), own_norms, attending.cos, attending.sin)
        units = fp8_attention.units_of([own_norms], HEADS)
        codes = fp8_attention.quantize([own], units, (IMAGES, TOKENS, HEADS, DIM))
        if not centred:
            codes.qkv[:, :, 1] = (room[:, :, 1] / units.key).clamp(-448, 448).to(codes.qkv.dtype)
        errors[centred] = (fp8_attention.attend(codes, 0) - expected).norm()
    assert errors[True] < 0.7 * errors[False]


@pytest.mark.parametrize("what", [0, 1, 2], ids=["query", "key", "value"])
@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
@torch.inference_mode()
def test_what_is_not_finite_stays_so_in_its_head(streams, parts, what, poison):
    parts[1].view(IMAGES, IMAGE, 3, HEADS, DIM)[1, 5, what, 2, 7] = poison
    finite = torch.isfinite(attended(Kernel.FP8, parts, streams)).view(IMAGES, TOKENS, HEADS, DIM)
    assert finite[0].all()
    assert finite[1, :, :2].all()
    assert not finite[1, TEXT + 5, 2].all()
    if what:
        assert not finite[1, :, 2].all(-1).any()


@pytest.mark.parametrize("which", [0, 1])
@torch.inference_mode()
def test_nor_does_a_norm_that_is_not_finite_disappear(streams, parts, which):
    units = fp8_attention.units_of(streams, HEADS)
    streams[1][which].weight[3] = math.inf
    angles = torch.zeros(TOKENS, DIM // 2)
    projections = Projections(
        Attending(Kernel.FP8, angles.cos(), angles.sin()), units, torch.empty(IMAGES, TOKENS, WIDTH), HEADS
    )
    for part, place, own in zip(parts, PLACES, streams, strict=True):
        projections.add(part, place, own)
    assert not torch.isfinite(projections.attend()).all()


def test_the_units_hold_the_largest_query_and_key(streams):
    units = fp8_attention.units_of(streams, HEADS)
    for index, unit in enumerate((units.query, units.key / 2)):
        largest = max(float(own[index].weight.detach().abs().max()) for own in streams)
        assert unit * 448 == pytest.approx(largest * DIM**0.5)


@pytest.fixture
def package(monkeypatch):
    """The optional package, as far as it is looked for."""
    monkeypatch.setitem(sys.modules, "fa3_fwd_interface", SimpleNamespace())


def test_another_kernel_needs_hopper_bf16_and_the_package(package, monkeypatch):
    every = (Kernel.TORCH, Kernel.FLASH3, Kernel.FP8)
    assert kernels((9, 0), torch.bfloat16, fp8=True) == every
    assert kernels((9, 0), torch.bfloat16, fp8=False) == every[:2]
    for capability in ((8, 0), (8, 6), (8, 9), (10, 0), (12, 0)):
        assert kernels(capability, torch.bfloat16, fp8=True) == every[:1]
    assert kernels((9, 0), torch.float16, fp8=True) == every[:1]
    monkeypatch.setitem(sys.modules, "fa3_fwd_interface", None)  # what an import of it raises then is an ImportError
    assert kernels((9, 0), torch.bfloat16, fp8=True) == every[:1]


def test_a_package_for_another_cuda_is_as_none(monkeypatch):
    class Finder:
        def find_spec(self, name, *_):
            if name == "fa3_fwd_interface":
                raise OSError("libcudart.so.13: cannot open shared object file")

    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    assert kernels((9, 0), torch.bfloat16, fp8=True) == (Kernel.TORCH,)


def chosen(monkeypatch, tokens, **took):
    monkeypatch.delenv(kept_choices.FOLDER, raising=False)
    monkeypatch.setattr(attention, "_milliseconds", lambda kernel, *_: took[str(kernel)])
    choice = Choice([Kernel(name) for name in took])
    x = torch.empty(1, tokens, WIDTH)
    first = choice.kernel(x, HEADS)
    monkeypatch.setattr(attention, "_milliseconds", lambda *_: pytest.fail("timed again"))
    assert choice.kernel(x, HEADS) is first
    return first


def test_the_fastest_is_taken_and_torchs_where_it_is_near(monkeypatch):
    assert chosen(monkeypatch, 4352, torch=0.45, flash3=0.40, fp8=0.34) is Kernel.FP8
    assert chosen(monkeypatch, 4352, torch=0.45, flash3=0.40) is Kernel.FLASH3
    assert chosen(monkeypatch, 1280, torch=0.046, flash3=0.0455, fp8=0.055) is Kernel.TORCH


def test_nothing_is_timed_where_there_is_no_choice(monkeypatch):
    monkeypatch.setattr(attention, "_milliseconds", lambda *_: pytest.fail("timed"))
    assert Choice().kernel(torch.empty(1, 8, WIDTH), HEADS) is Kernel.TORCH
