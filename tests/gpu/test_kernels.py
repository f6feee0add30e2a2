"""The Triton kernels against the torch code that says what they compute."""

import pytest
import torch

from worker.flux import rows
from worker.flux.linears import KINDS, Fp8Linear
from worker.flux.rows import Addend

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore")]
IMAGES, TEXT, IMAGE, HEADS, DIM = 2, 24, 40, 24, 128
WIDTH = HEADS * DIM
FORMATS = [None, torch.float8_e4m3fn, torch.int8]


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def numbers(found):
    values, scale = found
    return values.float().cpu() * (1.0 if scale is None else scale.cpu())


def close(found, expected, takes):
    # A value at the edge between two codes may fall either way.
    least = {None: 1e-5, torch.float8_e4m3fn: 2e-3, torch.int8: 1e-3}[takes]
    assert (found - expected).norm() <= least * expected.norm()


@pytest.mark.parametrize("takes", FORMATS)
@pytest.mark.parametrize("count", [0, 1, 2])
def test_add_norm(takes, count):
    x, products = random(IMAGES, TEXT + IMAGE, WIDTH), [random(IMAGES, IMAGE, WIDTH) for _ in range(count)]
    gate, shift, scale = random(3, WIDTH).split(1)
    results = []
    for device in ("cpu", "cuda"):
        own = x.to(device, copy=True)
        addend = Addend(gate.to(device), [part.to(device) for part in products]) if count else None
        found = rows.add_norm(own[:, TEXT:], addend, shift.to(device), scale.to(device), 1e-6, takes)
        results.append((own.cpu(), numbers(found)))
    (kept, expected), (kept_there, found) = results
    torch.testing.assert_close(kept_there, kept)
    close(found, expected, takes)


@pytest.mark.parametrize("takes", FORMATS)
@pytest.mark.parametrize("gelu", [True, False])
@pytest.mark.parametrize("width", [WIDTH, 4 * WIDTH])
def test_to_rows(takes, gelu, width):
    x = random(IMAGES, TEXT + IMAGE, width)[:, :TEXT]
    found, expected = (numbers(rows.to_rows(x.to(device), takes, gelu=gelu)) for device in ("cuda", "cpu"))
    close(found, expected, takes)


@pytest.mark.parametrize("takes", FORMATS[1:])
def test_to_rows_of_two_side_by_side(takes):
    attended, mlp = random(IMAGES, TEXT, WIDTH), random(IMAGES, TEXT, 4 * WIDTH)
    found, expected = (
        numbers(rows.to_rows(mlp.to(device), takes, gelu=True, before=attended.to(device)))
        for device in ("cuda", "cpu")
    )
    close(found, expected, takes)


@pytest.mark.parametrize("takes", FORMATS[1:])
@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", [0, WIDTH - 1])
def test_a_row_that_is_not_finite_has_a_scale_that_is_not(takes, poison, place):
    """And no other row has: Triton's maximum and minimum leave NaN out unless told otherwise."""
    x = random(IMAGES, TEXT, WIDTH).cuda()
    x[1, 2, place] = poison
    zero, gate = torch.zeros(1, WIDTH).cuda(), torch.ones(1, WIDTH).cuda()
    mlp = torch.ones(IMAGES, TEXT, 4 * WIDTH).cuda()
    results = [
        rows.add_norm(torch.ones_like(x), Addend(gate, [x]), zero, zero, 1e-6, takes),
        rows.to_rows(x, takes),
        rows.to_rows(mlp, takes, gelu=True, before=x),
        rows.to_rows(torch.cat([x, mlp[..., : 3 * WIDTH]], 2), takes),
    ]
    for found in results:
        assert torch.isfinite(found.scale).flatten().tolist() == [row != TEXT + 2 for row in range(IMAGES * TEXT)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_product_with_what_is_not_finite_is_not_finite(kind, poison):
    layer = KINDS[kind](torch.nn.Linear(256, 192).bfloat16()).cuda()
    x = random(48, 256).bfloat16().cuda()
    with torch.inference_mode():
        x[3, 5] = poison
        out = layer(x)
        assert not torch.isfinite(out[3]).any()
        assert torch.isfinite(out[:3]).all()
        layer.scale[7] = poison
        assert not torch.isfinite(layer(x[:3])[:, 7]).any()


def test_sums_are_scaled_where_they_are_added():
    linear = torch.nn.Linear(4 * WIDTH, WIDTH).bfloat16()
    layer, rest = Fp8Linear.of(linear), random(IMAGES, TEXT + IMAGE, 4 * WIDTH).bfloat16()
    x, (gate, shift, scale) = random(IMAGES, TEXT + IMAGE, WIDTH).bfloat16(), random(3, WIDTH).bfloat16().split(1)
    results = []
    with torch.inference_mode():
        for device in ("cpu", "cuda"):
            layer.to(device)
            own = x.to(device, copy=True)
            inputs = rows.to_rows(rest.to(device), layer.row_format)
            addend = layer.addend(inputs, x.shape[:2], gate.to(device), x.dtype)
            out = rows.add_norm(own, addend, shift.to(device), scale.to(device), 1e-6, None)
            results.append((own.cpu().float(), numbers(out)))
    for expected, found in zip(*results, strict=True):
        assert (found - expected).norm() <= 0.01 * expected.norm()


@pytest.mark.parametrize("in_place", [True, False])
def test_norm_rotate(in_place):
    qkv, (cos, sin) = random(IMAGES * IMAGE, 3 * WIDTH), random(2, IMAGE, DIM // 2)
    norms = [torch.nn.RMSNorm(DIM, eps=1e-6) for _ in range(2)]
    results = []
    for device in ("cpu", "cuda"):
        source = qkv.to(device, copy=True)
        out = torch.zeros(IMAGES, TEXT + IMAGE, 3, HEADS, DIM, device=device)
        own = source.view(IMAGES, IMAGE, 3, HEADS, DIM) if in_place else out[:, TEXT:]
        with torch.no_grad():
            for index, norm in enumerate(norms):
                norm.to(device).weight.copy_(random(1 + index, DIM)[0])
            rows.norm_rotate(source, own, norms, cos.to(device), sin.to(device))
        results.append(own.cpu())
        assert not out[:, :TEXT].any()
    torch.testing.assert_close(results[1], results[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 16, 48])
def test_products(kind, count):
    layer, x = KINDS[kind](torch.nn.Linear(256, 192).bfloat16()), random(count, 256).bfloat16()
    with torch.inference_mode():
        expected = layer(x).float()
        found = layer.cuda()(x.cuda()).cpu().float()
        halves = sum(part(own) for part, own in zip(layer.split(64), x.cuda().split([64, 192], 1), strict=True))
    assert (found - expected).norm() <= 0.02 * expected.norm()
    assert (halves.cpu().float() - expected).norm() <= 0.05 * expected.norm()
