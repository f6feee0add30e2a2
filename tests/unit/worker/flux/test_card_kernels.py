"""The kernels compile for cards that no test runs on, by no instruction that those lack and in their shared memory.

They are launched with tensors that have no memory (torch's FakeTensor); what Triton is given is compiled instead.
"""

import re
from types import SimpleNamespace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

triton = pytest.importorskip("triton")

from triton.backends.compiler import GPUTarget  # noqa: E402 - triton is not everywhere
from triton.compiler import ASTSource  # noqa: E402
from triton.runtime import JITFunction  # noqa: E402

from worker.flux import rows  # noqa: E402
from worker.flux.int8_product import Inputs, in_one, sums_apart, tiles  # noqa: E402
from worker.flux.linears import Nf4Linear  # noqa: E402
from worker.flux.rows import Addend, Scales  # noqa: E402

# norm_rotate asks whether two tensors are the same memory.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the data pointer")
TOKENS, WIDTH, HEADS = 64, 3072, 24
# KiB of shared memory that a program may have, by compute capability: CUDA C++ Programming Guide, technical
# specifications.
SHARED_KIB = {80: 163, 86: 99, 89: 99}
HOPPER_ONLY = r"wgmma|tcgen05|cp\.async\.bulk|setmaxnreg|mbarrier|clusterlaunch"
TYPES = {
    torch.bfloat16: "bf16",
    torch.float32: "fp32",
    torch.int8: "i8",
    torch.uint8: "u8",
    torch.int32: "i32",
    torch.float8_e4m3fn: "fp8e4nv",
}


@pytest.fixture
def launches(monkeypatch):
    """(kernel, arguments, options) of each launch."""
    found = []

    def run(kernel, *arguments, grid, warmup, **named):
        given = dict(zip(kernel.arg_names, arguments, strict=False)) | named
        options = {name: given.pop(name) for name in ("num_warps", "num_stages") if name in given}
        found.append((kernel, given, options))

    monkeypatch.setattr(JITFunction, "run", run)
    with FakeTensorMode():
        yield found


def compiled(kernel, given, options, capability):
    signature, constants, attributes = {}, {}, {}
    for index, parameter in enumerate(kernel.params):
        value = given[parameter.name]
        if parameter.is_constexpr or (isinstance(value, int) and value == 1):
            signature[parameter.name], constants[parameter.name] = "constexpr", value
            continue
        if isinstance(value, torch.Tensor):
            signature[parameter.name], aligned = "*" + TYPES[value.dtype], True
        else:
            signature[parameter.name] = "fp32" if isinstance(value, float) else "i32"
            aligned = isinstance(value, int) and value % 16 == 0
        if aligned:
            attributes[(index,)] = [["tt.divisibility", 16]]
    source = ASTSource(kernel, signature, constants, attributes)
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)


def empty(*shape, dtype=torch.bfloat16):
    return torch.empty(*shape, dtype=dtype, device="cuda")


def launch_passes(row_format):
    x, vectors = empty(1, TOKENS, WIDTH), empty(3, WIDTH)
    gate, shift, scale = vectors.split(1)
    if row_format is torch.float8_e4m3fn:
        scales = Scales(empty(1, TOKENS, dtype=torch.float32), empty(WIDTH, dtype=torch.float32), empty(WIDTH))
        addend = Addend(gate, [x], scales)
        rows.to_rows(empty(1, TOKENS, 4 * WIDTH), row_format, gelu=True, before=x)
    else:
        addend = Addend(gate, [x, x])
        rows.to_rows(empty(1, TOKENS, 4 * WIDTH), row_format, gelu=True)
    rows.add_norm(x, addend, shift, scale, 1e-6, row_format)
    norm = SimpleNamespace(weight=empty(128), eps=1e-6)
    cos = empty(TOKENS, 64, dtype=torch.float32)
    qkv, room = empty(TOKENS, 3 * WIDTH), empty(1, TOKENS, 3, HEADS, 128)
    rows.norm_rotate(qkv, room, [norm, norm], cos, cos)


def launch_products(capability):
    inputs = Inputs(
        empty(TOKENS, WIDTH, dtype=torch.int8),
        empty(WIDTH, WIDTH, dtype=torch.int8),
        empty(TOKENS, 1, dtype=torch.float32),
        empty(WIDTH, 1, dtype=torch.float32),
        empty(WIDTH),
    )
    out = empty(TOKENS, WIDTH)
    for tile in tiles(SHARED_KIB[capability] * 1024):
        in_one(inputs, out, tile)
    sums_apart(inputs, out)


@pytest.mark.parametrize(
    "capability", [86, pytest.param(80, marks=pytest.mark.slow), pytest.param(89, marks=pytest.mark.slow)]
)
def test_every_kernel_compiles_for_cards_before_hopper(launches, capability, tmp_path, monkeypatch):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    fp8 = capability == 89
    launch_passes(torch.float8_e4m3fn if fp8 else torch.int8)
    launch_products(capability)
    layer = Nf4Linear(empty(WIDTH, WIDTH // 2, dtype=torch.uint8), empty(WIDTH, WIDTH // 64), None, WIDTH)
    layer.table = empty(16, dtype=torch.float32)
    layer._weight(torch.bfloat16)
    names = {kernel.__name__ for kernel, *_ in launches}
    assert names == {"add_norm", "quantize", "norm_rotate", "int8_product", "scale_product", "unpack_nf4"}
    for kernel, given, options in launches:
        made = compiled(kernel, given, options, capability)
        code = made.asm["ptx"]
        assert f".target sm_{capability}" in code
        assert not re.search(HOPPER_ONLY, code), kernel.__name__
        # Before 8.9 there is no conversion to e4m3.
        assert fp8 or "e4m3" not in code
        # ptxas has taken it.
        assert made.asm["cubin"]
        assert made.metadata.shared <= SHARED_KIB[capability] * 1024
        if kernel.__name__ == "int8_product":
            assert re.search(r"mma\.sync\S*\.s32\.s8\.s8\.s32", code)


def test_the_widest_tile_is_for_cards_with_the_memory_for_it():
    assert [tile.columns for tile in tiles(SHARED_KIB[86] * 1024)] == [128, 128]
    assert [tile.columns for tile in tiles(SHARED_KIB[80] * 1024)] == [128, 128, 256]
    assert all(tile.shared_bytes <= 64 * 1024 for tile in tiles(64 * 1024))
