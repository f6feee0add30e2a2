"""FLUX's single-stream blocks: text and image are one sequence, and the MLP is parallel to the attention.

    x += gate * proj_out([attention(to_qkv(norm(x))), gelu(proj_mlp(norm(x)))])

The output projection multiplies attention (W) and MLP (4 W) side by side, and has two forms:

    JoinedOutput    fp8. One pass applies the GELU and quantizes both inputs into one row of 5 W, for one product. The
                    row's one scale fits both parts, because e4m3 is a floating-point format: the smaller part loses
                    no relative precision.
    SplitOutput     bf16, int8, 4 bits. Two products, of the attention and of the MLP, whose outputs the next add_norm
                    adds. No concatenation is written; the GELU is in proj_mlp's kernel (bf16) or in the pass that
                    quantizes; int8 gets a scale for each part; and the MLP's whole branch runs on the side stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from worker.flux.attention import Projections
from worker.flux.fp8_attention import Units, units_of
from worker.flux.linears import Fp8Linear, QuantizedLinear
from worker.flux.products import gated, gelu_product, product, row_format
from worker.flux.rows import Addend, Rows, add_norm, to_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.flux.attention import Attending
    from worker.flux.side_stream import SideStream


class JoinedOutput(NamedTuple):
    proj_out: Fp8Linear  # (5 W, W)


class SplitOutput(NamedTuple):
    attention: Any  # (W, W)
    mlp: Any  # (4 W, W), with the bias


class Layers(NamedTuple):
    """Of one block, with the output projection in one of its two forms."""

    norm: Any
    to_qkv: Any
    head_norms: tuple[Any, Any]  # of queries and of keys
    heads: int
    units: Units
    proj_mlp: Any
    output: JoinedOutput | SplitOutput


def layers_of(block: Any) -> Layers:
    """Of diffusers' `FluxSingleTransformerBlock` with fused projections. Unless the block's `proj_out` is fp8, it is
    replaced by `proj_out_attn` and `proj_out_mlp`, so that its weight is not held twice.
    """
    output: JoinedOutput | SplitOutput
    if isinstance(block.proj_out, Fp8Linear):
        output = JoinedOutput(block.proj_out)
    else:
        block.proj_out_attn, block.proj_out_mlp = _split(block.proj_out, block.attn.inner_dim)
        del block.proj_out
        output = SplitOutput(block.proj_out_attn, block.proj_out_mlp)
    attn = block.attn
    norms = (attn.norm_q, attn.norm_k)
    units = units_of([norms], attn.heads)
    return Layers(block.norm, attn.to_qkv, norms, attn.heads, units, block.proj_mlp, output)


def run(  # noqa: PLR0913 - the block, its inputs, and how
    layers: Layers, x: torch.Tensor, attending: Attending, addend: Addend | None, side: SideStream, start: int = 0
) -> Addend:
    """One block.

    :param x: the residual stream (B, T, W), to which `addend` is added in place first.
    :param start: the output is computed for the tokens from here on; keys and values for all.
    :returns: what is yet to be added to `x[:, start:]`.
    """
    shift, scale, gate = layers.norm.linear.row.chunk(3, 1)
    rows = add_norm(x, addend, shift, scale, layers.norm.norm.eps, row_format(layers.to_qkv))
    if isinstance(layers.output, JoinedOutput):
        return _joined_output(layers, layers.output, rows, x, start, attending, gate, side)
    return _split_output(layers, layers.output, rows, x, start, attending, gate, side)


def _joined_output(  # noqa: PLR0913 - as above
    layers: Layers,
    output: JoinedOutput,
    rows: Rows,
    x: torch.Tensor,
    start: int,
    attending: Attending,
    gate: torch.Tensor,
    side: SideStream,
) -> Addend:
    target = x[:, start:]
    with side.branch():
        own = rows.from_token(start, x.shape[1])
        mlp = product(layers.proj_mlp, own, x.dtype)
    attended = _attention(layers, rows, x, start, attending)
    side.join()
    both = to_rows(mlp.view(*target.shape[:2], -1), row_format(output.proj_out), gelu=True, before=attended)
    return gated(gate, output.proj_out, both, target)


def _split_output(  # noqa: PLR0913 - as above
    layers: Layers,
    output: SplitOutput,
    rows: Rows,
    x: torch.Tensor,
    start: int,
    attending: Attending,
    gate: torch.Tensor,
    side: SideStream,
) -> Addend:
    target = x[:, start:]
    with side.branch():
        own = rows.from_token(start, x.shape[1])
        inner = gelu_product(layers.proj_mlp, own, row_format(output.mlp), x.dtype)
        mlp = product(output.mlp, inner, x.dtype)
    attended = _attention(layers, rows, x, start, attending)
    out = product(output.attention, to_rows(attended, row_format(output.attention)), x.dtype)
    side.join()
    return Addend(gate, [out.view(target.shape), mlp.view(target.shape)])


def _attention(layers: Layers, rows: Rows, x: torch.Tensor, start: int, attending: Attending) -> torch.Tensor:
    """(B, T - start, W)."""
    flat = product(layers.to_qkv, rows, x.dtype)
    room = flat.view(*x.shape[:2], 3, layers.heads, -1)
    projections = Projections(attending, layers.units, x, layers.heads, room=room)
    projections.add(flat, slice(None), layers.head_norms)
    return projections.attend(start)


def _split(layer: Any, width: int) -> Sequence[nn.Module]:
    """A layer for the first `width` inputs and one for the others; their outputs add up to `layer`'s."""
    if isinstance(layer, QuantizedLinear):
        return layer.split(width)
    parts = []
    for weight, bias in zip(layer.weight.split([width, layer.in_features - width], 1), (None, layer.bias), strict=True):
        part = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
        part.weight = nn.Parameter(weight.detach().clone(memory_format=torch.contiguous_format), requires_grad=False)
        part.bias = bias
        parts.append(part)
    return parts
