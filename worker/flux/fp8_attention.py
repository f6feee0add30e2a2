"""Attention in e4m3 by FlashAttention-3 (Shah et al. 2024, https://arxiv.org/abs/2407.08608), on Hopper.

The products query x key and weight x value are computed in fp8, twice as fast as in bf16. Each head has a scale for its
queries, keys and values, code * unit:

    queries, keys   after their RMS norm no number of a head is above sqrt(D) times the norm's largest weight, and a
                    rotation lengthens nothing. So their units are known when the model is loaded. e4m3 is a
                    floating-point format: a unit that is too large by a few times costs no precision.
    keys            less their mean: the same number is taken from all logits of a query, which changes no weight, and
                    what the keys have in common is not rounded with them (SageAttention, Zhang et al. 2024,
                    https://arxiv.org/abs/2410.02367). Any constant would do, so the mean is that of a few tokens.
    values          are not normed: their largest magnitude is found by a pass over them.

The passes write e4m3 straight from the product's output (attention_kernels.py). On a CPU torch computes the same, which
the tests compare with. NaN and infinity come out as NaN or infinite: infinity has no code, so it is made NaN first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn import functional

from worker.flux.rows import HEADS_AT_ONCE, LARGEST, TINY, norm_rotate

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST = LARGEST[torch.float8_e4m3fn]
# Keys of one head whose mean is taken.
SAMPLES = 64
# Per program of the kernel value_range.
TOKENS_AT_ONCE = 16


class Part(NamedTuple):
    """The tokens of one stream."""

    product: torch.Tensor  # (B * T_s, 3 * W): queries, keys and values as the projection gives them
    place: slice  # of its tokens among all
    norms: Sequence[torch.nn.RMSNorm]  # of queries and of keys
    cos: torch.Tensor  # (T_s, D / 2), as sin
    sin: torch.Tensor


class Units(NamedTuple):
    """The scales of queries and keys, and the same for each head (1, H)."""

    query: float
    key: float
    of_queries: torch.Tensor
    of_keys: torch.Tensor


class Codes(NamedTuple):
    qkv: torch.Tensor  # (B, T, 3, H, D), e4m3
    query_unit: torch.Tensor  # (B, H), as the other two
    key_unit: torch.Tensor
    value_unit: torch.Tensor


def units_of(norms: Sequence[Sequence[torch.nn.RMSNorm]], heads: int) -> Units:
    """:param norms: of queries and of keys, for each stream that meets in the attention."""
    query, key = (
        max(float(norm.weight.detach().abs().max()) * norm.weight.numel() ** 0.5 for norm in same)
        for same in zip(*norms, strict=True)
    )
    # Keys less their mean are at most twice as large.
    found, device = (max(query, TINY) / MOST, max(2 * key, TINY) / MOST), norms[0][0].weight.device
    return Units(*found, *(torch.full((1, heads), unit, device=device) for unit in found))


def quantize(parts: Sequence[Part], units: Units, shape: tuple[int, int, int, int]) -> Codes:
    """The last of `parts` is the one whose keys' mean is taken.

    :param shape: B, T, H, D.
    """
    images, _, heads, _ = shape
    qkv, value_unit = (_kernels if parts[0].product.is_cuda else _reference)(parts, units, shape)
    return Codes(qkv, units.of_queries.expand(images, heads), units.of_keys.expand(images, heads), value_unit)


def attend(codes: Codes, start: int) -> torch.Tensor:
    """(B, T - start, W) in bf16, on a CPU in float32: only the queries from `start` on attend."""
    query, key, value = codes.qkv.unbind(2)
    if not query.is_cuda:
        query, key, value = (
            (part.float() * unit[:, None, :, None]).transpose(1, 2)
            for part, unit in zip((query[:, start:], key, value), codes[1:], strict=True)
        )
        return functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
    import fa3_fwd_interface  # noqa: PLC0415 - an optional package, for CUDA 13 only

    out: torch.Tensor = fa3_fwd_interface.flash_attn_func(
        query[:, start:],
        key,
        value,
        q_descale=codes.query_unit,
        k_descale=codes.key_unit,
        v_descale=codes.value_unit,
    )
    return out.flatten(2)


def _kernels(
    parts: Sequence[Part], units: Units, shape: tuple[int, int, int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    from worker.flux import attention_kernels  # noqa: PLC0415 - Triton comes with torch for a card only

    images, tokens, heads, dim = shape
    groups, device = -(-heads // HEADS_AT_ONCE), parts[0].product.device
    qkv = torch.empty(images, tokens, 3, heads, dim, dtype=torch.float8_e4m3fn, device=device)
    centre = torch.empty(images, heads, dim, device=device)
    most, unit = torch.empty(2, images, heads, device=device)
    last = parts[-1]
    length, eps = len(last.product) // images, last.norms[1].eps or 0.0
    attention_kernels.key_centre[(images, heads)](
        *(last.product, last.norms[1].weight, last.cos, last.sin, centre, most, length, -(-length // SAMPLES), eps),
        HEADS=heads,
        DIM=dim,
        SAMPLES=SAMPLES,
        num_warps=8,
    )
    for part in parts:
        length = len(part.product) // images
        attention_kernels.value_range[(images, -(-length // TOKENS_AT_ONCE), groups)](
            *(part.product, most, length), HEADS=heads, DIM=dim, GROUP=HEADS_AT_ONCE, TOKENS=TOKENS_AT_ONCE
        )
    for part in parts:
        out, weights = qkv[:, part.place], [norm.weight for norm in part.norms]
        attention_kernels.norm_rotate_fp8[(len(part.product), 3, groups)](
            *(part.product, out, *weights, part.cos, part.sin, centre, most, unit),
            *(len(part.product) // images, out.stride(0), part.norms[0].eps or 0.0, units.query, units.key),
            HEADS=heads,
            DIM=dim,
            GROUP=HEADS_AT_ONCE,
            LARGEST=MOST,
            num_warps=2,
        )
    return qkv, unit


def _reference(
    parts: Sequence[Part], units: Units, shape: tuple[int, int, int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    images, tokens, heads, dim = shape
    numbers = torch.empty(images, tokens, 3, heads, dim)
    for part in parts:
        norm_rotate(part.product, numbers[:, part.place], part.norms, part.cos, part.sin)
    query, key, value = numbers.unbind(2)
    of_last = key[:, parts[-1].place]
    centre = of_last[:, :: -(-of_last.shape[1] // SAMPLES)].mean(1, keepdim=True)
    value_unit = value.abs().amax((1, 3)).clamp(min=TINY) / MOST
    scaled = (query / units.query, (key - centre) / units.key, value / value_unit[:, None, :, None])
    stacked = torch.stack(scaled, 2)
    finite = torch.where(stacked.isinf(), torch.nan, stacked).clamp(-MOST, MOST)
    return finite.to(torch.float8_e4m3fn), value_unit
