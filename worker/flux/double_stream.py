"""FLUX's double-stream blocks: text and image have layers of their own, and meet in the attention alone.

The loop runs from one attention to the next: what follows one block's attention and what precedes the next block's
needs one stream's tokens only. So text and image can run on two CUDA streams, with one wait at each attention.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from worker.flux.attention import Projections
from worker.flux.fp8_attention import Units, units_of
from worker.flux.products import gated, gelu_product, product, row_format
from worker.flux.rows import add, add_norm, to_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch

    from worker.flux.attention import Attending
    from worker.flux.rows import Addend
    from worker.flux.side_stream import SideStream


class StreamLayers(NamedTuple):
    """Of one block, for text or for image."""

    norm: Any
    to_qkv: Any
    head_norms: tuple[Any, Any]  # of queries and of keys
    to_out: Any
    mlp_norm: Any
    mlp_in: Any
    mlp_out: Any


class Layers(NamedTuple):
    """Of one block."""

    text: StreamLayers
    image: StreamLayers
    heads: int
    units: Units


def layers_of(block: Any) -> Layers:
    """Of diffusers' `FluxTransformerBlock` with fused projections."""
    attn, text, image = block.attn, block.ff_context.net, block.ff.net
    norms = ((attn.norm_added_q, attn.norm_added_k), (attn.norm_q, attn.norm_k))
    return Layers(
        StreamLayers(
            block.norm1_context,
            attn.to_added_qkv,
            norms[0],
            attn.to_add_out,
            block.norm2_context,
            text[0].proj,
            text[2],
        ),
        StreamLayers(
            block.norm1,
            attn.to_qkv,
            norms[1],
            attn.to_out[0],
            block.norm2,
            image[0].proj,
            image[2],
        ),
        attn.heads,
        units_of(norms, attn.heads),
    )


@dataclass(slots=True)
class _Stream:
    """Text or image on its way through the blocks."""

    x: torch.Tensor  # (B, T_text or T_image, W), a part of the residual stream
    place: slice  # of its tokens among all
    addend: Addend | None = None  # what is yet to be added to x


def run(blocks: Iterable[Layers], x: torch.Tensor, text_tokens: int, attending: Attending, side: SideStream) -> None:
    """All blocks.

    :param x: the residual stream (B, T, W), the text's tokens first; changed in place.
    """
    text, image = (_Stream(x[:, place], place) for place in (slice(None, text_tokens), slice(text_tokens, None)))
    attended: torch.Tensor | None = None
    for before, block in pairwise([None, *blocks, None]):
        projections = Projections(attending, block.units, x, block.heads) if block else None
        with side.branch():
            _to_next_attention(text, before and before.text, attended, block and block.text, projections)
        _to_next_attention(image, before and before.image, attended, block and block.image, projections)
        side.join()
        attended = projections.attend() if projections else None
        del projections


def _to_next_attention(
    stream: _Stream,
    before: StreamLayers | None,
    attended: torch.Tensor | None,
    after: StreamLayers | None,
    projections: Projections | None,
) -> None:
    """The rest of the block `before`, then the beginning of the block `after`; None where there is no such block.

    :param attended: the output of `before`'s attention (B, T, W).
    :param projections: for `after`, to which the stream's queries, keys and values are added.
    """
    x = stream.x
    if before is not None and attended is not None:
        _, _, gate, shift, scale, mlp_gate = before.norm.linear.row.chunk(6, 1)
        out = gated(gate, before.to_out, to_rows(attended[:, stream.place], row_format(before.to_out)), x)
        rows = add_norm(x, out, shift, scale, before.mlp_norm.eps, row_format(before.mlp_in))
        inner = gelu_product(before.mlp_in, rows, row_format(before.mlp_out), x.dtype)
        stream.addend = gated(mlp_gate, before.mlp_out, inner, x)
    if after is not None and projections is not None:
        shift, scale = after.norm.linear.row.chunk(6, 1)[:2]
        rows = add_norm(x, stream.addend, shift, scale, after.norm.norm.eps, row_format(after.to_qkv))
        qkv = product(after.to_qkv, rows, x.dtype, projections.room(stream.place))
        projections.add(qkv, stream.place, after.head_norms)
    elif stream.addend:
        add(x, stream.addend)
