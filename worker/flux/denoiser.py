"""FLUX's transformer as few kernels as it takes: matrix products, attention, and one pass over the rows between them.

The numbers are those of diffusers' `FluxTransformer2DModel.forward` without guidance by images or ControlNets, up to
rounding: what is added to the residual stream, normed and rotated stays in float32 until it is stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from worker.flux import double_stream
from worker.flux.linears import Fp8Linear, Quantized
from worker.flux.products import attend, gated, gelu_product, product, takes
from worker.flux.rows import Addend, add_norm, norm_rotate, to_rows
from worker.flux.side_stream import Beside

if TYPE_CHECKING:
    from collections.abc import Sequence

# Images times tokens. On an H100 1536 rows (512 px) were up to 5 % faster on two streams, 4608 (1024 px) were not: the
# limit there is the card's power, not processors that idle.
BESIDE_ROWS = 2048


class Denoiser:
    """Stands in for the transformer's forward, after `Modulations` has made its modulations rows."""

    def __init__(self, transformer: Any, backends: Sequence[SDPBackend], *, beside: bool = False) -> None:
        """`backends` of attention, of which torch takes the first that can. `beside`: few rows on two streams, which
        takes the memory of both.
        """
        self._transformer = transformer
        self._backends = list(backends)
        self._one_stream, self._two_streams = Beside(used=False), Beside(used=beside)
        self._angles: dict[tuple[int, ...], tuple[torch.Tensor, torch.Tensor]] = {}
        for block in transformer.single_transformer_blocks:
            if hasattr(block, "proj_out") and not isinstance(block.proj_out, Fp8Linear):
                width = block.attn.inner_dim
                block.proj_out_attn, block.proj_out_mlp = _split(block.proj_out, width)
                del block.proj_out

    def __call__(self, **inputs: Any) -> tuple[torch.Tensor]:
        transformer = self._transformer
        text = transformer.context_embedder(inputs["encoder_hidden_states"])
        image = transformer.x_embedder(inputs["hidden_states"])
        x = torch.cat([text, image], 1)
        length = text.shape[1]
        angles = self._rotation(inputs, [length, image.shape[1]])
        beside = self._two_streams if x[..., 0].numel() <= BESIDE_ROWS else self._one_stream
        with sdpa_kernel(self._backends, set_priority=True):
            double_stream.run(transformer.transformer_blocks, x, length, angles, beside)
            last: Addend | None = None
            *blocks, last_block = transformer.single_transformer_blocks
            for block in blocks:
                last = self._single(block, x, angles, last, beside)
            # Nothing reads the text any more: the last block needs only its keys and values.
            last = self._single(last_block, x, angles, last, beside, start=length)
        norm = transformer.norm_out
        scale, shift = norm.linear.row.chunk(2, 1)
        rows = add_norm(x[:, length:], last, shift, scale, norm.norm.eps, None)
        return (transformer.proj_out(rows.values).view(*image.shape[:2], -1),)

    def _single(  # noqa: PLR0913 - the block, its inputs, and how
        self, block: Any, x: torch.Tensor, angles: Any, addend: Addend | None, beside: Beside, start: int = 0
    ) -> Addend:
        """Text and image as one; attention, and beside it the MLP. To be added to the tokens from `start` on."""
        attn = block.attn
        shift, scale, gate = block.norm.linear.row.chunk(3, 1)
        rows = add_norm(x, addend, shift, scale, block.norm.norm.eps, takes(attn.to_qkv))
        joined, out_of = hasattr(block, "proj_out"), x[:, start:]
        with beside.branch():
            own = rows.after(start, x.shape[1])
            if joined:
                mlp = product(block.proj_mlp, own, x.dtype)
            else:
                inner = gelu_product(block.proj_mlp, own, takes(block.proj_out_mlp), x.dtype)
                mlp = product(block.proj_out_mlp, inner, x.dtype)
        flat = product(attn.to_qkv, rows, x.dtype)
        qkv = flat.view(*x.shape[:2], 3, attn.heads, attn.head_dim)
        norm_rotate(flat, qkv, (attn.norm_q, attn.norm_k), *angles)
        attended = attend(qkv, start)
        if joined:
            beside.join()
            # In fp8 one scale serves both inputs of a row: it is a floating-point format.
            both = to_rows(mlp.view(*out_of.shape[:2], -1), takes(block.proj_out), gelu=True, before=attended)
            return gated(gate, block.proj_out, both, out_of)
        out = product(block.proj_out_attn, to_rows(attended, takes(block.proj_out_attn)), x.dtype)
        beside.join()
        return Addend(gate, [out.view(out_of.shape), mlp.view(out_of.shape)])

    def _rotation(self, inputs: Any, lengths: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines (tokens, dim / 2), kept: all drawings are squares, so the lengths say which."""
        key = tuple(lengths)
        if key not in self._angles:
            cos, sin = self._transformer.pos_embed(torch.cat([inputs["txt_ids"], inputs["img_ids"]]))
            # diffusers has each number twice.
            self._angles[key] = (cos[:, ::2].contiguous(), sin[:, ::2].contiguous())
        return self._angles[key]


def _split(layer: Any, width: int) -> Sequence[nn.Module]:
    """For the first `width` inputs and for the others: a product of two inputs side by side as two products."""
    if isinstance(layer, Quantized):
        return layer.split(width)
    parts = []
    for weight, bias in zip(layer.weight.split([width, layer.in_features - width], 1), (None, layer.bias), strict=True):
        part = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
        part.weight = nn.Parameter(weight.detach().clone(memory_format=torch.contiguous_format), requires_grad=False)
        part.bias = bias
        parts.append(part)
    return parts
