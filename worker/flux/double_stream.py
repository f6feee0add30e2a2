"""FLUX's double-stream blocks: text and image have layers of their own, and meet in the attention."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from worker.flux.products import attend, gated, gelu_product, product, takes
from worker.flux.rows import add_norm, norm_rotate, to_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import torch

    from worker.flux.rows import Addend
    from worker.flux.side_stream import Beside


def run(blocks: Iterable[Any], x: torch.Tensor, length: int, angles: Any, beside: Beside) -> None:
    """Adds to `x` (images, tokens, width) in place; its first `length` tokens are the text's. From one attention to the
    next the text's layers run beside the image's.
    """
    cos, sin = angles
    places = (slice(None, length), slice(length, None))
    text, image = (
        _Stream(x[:, place], place, (cos[place], sin[place]), layers)
        for place, layers in zip(places, (_text_layers, _image_layers), strict=True)
    )
    attended: torch.Tensor | None = None
    for before, block in pairwise([None, *blocks, None]):
        qkv = x.new_empty(*x.shape[:2], 3, block.attn.heads, block.attn.head_dim) if block else None
        with beside.branch():
            _to_next_attention(text, before, attended, block, qkv)
        _to_next_attention(image, before, attended, block, qkv)
        beside.join()
        attended = None if qkv is None else attend(qkv)
        del qkv


@dataclass(slots=True)
class _Stream:
    """Text or image: in a double-stream block each has layers of its own, and they meet in the attention alone."""

    x: torch.Tensor  # (images, tokens, width), a part of the residual stream
    place: slice  # of its tokens among all
    angles: tuple[torch.Tensor, torch.Tensor]
    layers: Callable[[Any], _Layers]  # of a block
    addend: Addend | None = None  # what is yet to be added to x


class _Layers(NamedTuple):
    norm: Any
    qkv: Any
    head_norms: tuple[Any, Any]
    out: Any
    mlp_norm: Any
    mlp: Any


def _text_layers(block: Any) -> _Layers:
    attn = block.attn
    norms = (attn.norm_added_q, attn.norm_added_k)
    return _Layers(
        block.norm1_context, attn.to_added_qkv, norms, attn.to_add_out, block.norm2_context, block.ff_context
    )


def _image_layers(block: Any) -> _Layers:
    attn = block.attn
    return _Layers(block.norm1, attn.to_qkv, (attn.norm_q, attn.norm_k), attn.to_out[0], block.norm2, block.ff)


def _to_next_attention(
    stream: _Stream, before: Any | None, attended: torch.Tensor | None, block: Any | None, qkv: torch.Tensor | None
) -> None:
    """From what the attention of the block `before` gave (images, tokens, width) to `block`'s queries, keys and values,
    into `qkv` (images, tokens, 3, heads, dim); None where there is no such block.
    """
    x = stream.x
    if attended is not None:
        norm, _, _, layer, norm2, mlp = stream.layers(before)
        _, _, gate, shift, scale, gate_mlp = norm.linear.row.chunk(6, 1)
        out = gated(gate, layer, to_rows(attended[:, stream.place], takes(layer)), x)
        rows = add_norm(x, out, shift, scale, norm2.eps, takes(mlp.net[0].proj))
        inner = gelu_product(mlp.net[0].proj, rows, takes(mlp.net[2]), x.dtype)
        stream.addend = gated(gate_mlp, mlp.net[2], inner, x)
    if qkv is not None:
        norm, layer, head_norms, *_ = stream.layers(block)
        shift, scale = norm.linear.row.chunk(6, 1)[:2]
        rows = add_norm(x, stream.addend, shift, scale, norm.norm.eps, takes(layer))
        norm_rotate(product(layer, rows, x.dtype), qkv[:, stream.place], head_norms, *stream.angles)
    elif stream.addend:
        x.add_(stream.addend.value())
