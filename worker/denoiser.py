"""FLUX's transformer as few kernels as it takes: matrix products, attention, and one pass over the rows between them.

The numbers are those of diffusers' `FluxTransformer2DModel.forward` without guidance by images or ControlNets, up to
rounding: what is added to the residual stream, normed and rotated stays in float32 until it is stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from worker.quantized import Fp8Linear, Quantized
from worker.rows import Addend, Rows, add_norm, norm_rotate, to_rows

if TYPE_CHECKING:
    from collections.abc import Sequence


class Denoiser:
    """Stands in for the transformer's forward, after `Modulations` has made its modulations rows."""

    def __init__(self, transformer: Any, backends: Sequence[SDPBackend]) -> None:
        """`backends` of attention, of which torch takes the first that can."""
        self._transformer = transformer
        self._backends = list(backends)
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
        lengths = [text.shape[1], image.shape[1]]
        angles = self._rotation(inputs, lengths)
        with sdpa_kernel(self._backends, set_priority=True):
            addends: list[Addend | None] = [None, None]
            for block in transformer.transformer_blocks:
                addends = self._double(block, x, lengths, angles, addends)
            for part, addend in zip(torch.split(x, lengths, 1), addends, strict=True):
                if addend:
                    part.add_(addend.value())
            last: Addend | None = None
            for block in transformer.single_transformer_blocks:
                last = self._single(block, x, angles, last)
        last = last and last.after(lengths[0])
        norm = transformer.norm_out
        scale, shift = norm.linear.row.chunk(2, 1)
        rows = add_norm(x[:, lengths[0] :], last, shift, scale, norm.norm.eps, None)
        return (transformer.proj_out(rows.values).view(*image.shape[:2], -1),)

    def _double(
        self, block: Any, x: torch.Tensor, lengths: list[int], angles: Any, addends: list[Addend | None]
    ) -> list[Addend | None]:
        """Text and image, each with weights of its own, meet in the attention."""
        attn = block.attn
        parts = torch.split(x, lengths, 1)
        streams = (
            (block.norm1_context, attn.to_added_qkv, (attn.norm_added_q, attn.norm_added_k), attn.to_add_out),
            (block.norm1, attn.to_qkv, (attn.norm_q, attn.norm_k), attn.to_out[0]),
        )
        rest = ((block.norm2_context, block.ff_context), (block.norm2, block.ff))
        qkv = x.new_empty(*x.shape[:2], 3, attn.heads, attn.head_dim)
        turns = zip(*(torch.split(angle, lengths) for angle in angles), strict=True)
        for part, addend, (norm, layer, norms, _), own, (cos, sin) in zip(
            parts, addends, streams, torch.split(qkv, lengths, 1), turns, strict=True
        ):
            shift, scale = norm.linear.row.chunk(6, 1)[:2]
            rows = add_norm(part, addend, shift, scale, norm.norm.eps, takes(layer))
            norm_rotate(product(layer, rows, x.dtype), own, norms, cos, sin)
        attended = attend(qkv)
        left: list[Addend | None] = []
        for part, own, (norm, _, _, layer), (norm2, ff) in zip(
            parts, torch.split(attended, lengths, 1), streams, rest, strict=True
        ):
            _, _, gate, shift, scale, gate_mlp = norm.linear.row.chunk(6, 1)
            out = gated(gate, layer, to_rows(own, takes(layer)), part)
            rows = add_norm(part, out, shift, scale, norm2.eps, takes(ff.net[0].proj))
            inner = gelu_product(ff.net[0].proj, rows, takes(ff.net[2]), x.dtype)
            left.append(gated(gate_mlp, ff.net[2], inner, part))
        return left

    def _single(self, block: Any, x: torch.Tensor, angles: Any, addend: Addend | None) -> Addend:
        """Text and image as one; attention and the MLP side by side."""
        attn = block.attn
        shift, scale, gate = block.norm.linear.row.chunk(3, 1)
        rows = add_norm(x, addend, shift, scale, block.norm.norm.eps, takes(attn.to_qkv))
        flat = product(attn.to_qkv, rows, x.dtype)
        qkv = flat.view(*x.shape[:2], 3, attn.heads, attn.head_dim)
        norm_rotate(flat, qkv, (attn.norm_q, attn.norm_k), *angles)
        attended = attend(qkv)
        if hasattr(block, "proj_out"):
            # In fp8 one scale serves both inputs of a row: it is a floating-point format.
            mlp = product(block.proj_mlp, rows, x.dtype).view(*x.shape[:2], -1)
            both = to_rows(mlp, takes(block.proj_out), gelu=True, before=attended)
            return gated(gate, block.proj_out, both, x)
        inner = gelu_product(block.proj_mlp, rows, takes(block.proj_out_mlp), x.dtype)
        layers = ((block.proj_out_attn, to_rows(attended, takes(block.proj_out_attn))), (block.proj_out_mlp, inner))
        return Addend(gate, [product(layer, rows, x.dtype).view(x.shape) for layer, rows in layers])

    def _rotation(self, inputs: Any, lengths: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines (tokens, dim / 2), kept: all drawings are squares, so the lengths say which."""
        key = tuple(lengths)
        if key not in self._angles:
            cos, sin = self._transformer.pos_embed(torch.cat([inputs["txt_ids"], inputs["img_ids"]]))
            # diffusers has each number twice.
            self._angles[key] = (cos[:, ::2].contiguous(), sin[:, ::2].contiguous())
        return self._angles[key]


def attend(qkv: torch.Tensor) -> torch.Tensor:
    """(images, tokens, 3, heads, dim) to (images, tokens, heads * dim)."""
    query, key, value = (part.transpose(1, 2) for part in qkv.unbind(2))
    return functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)


def takes(layer: nn.Module) -> torch.dtype | None:
    return layer.takes if isinstance(layer, Quantized) else None


def product(layer: Any, rows: Rows, dtype: torch.dtype) -> torch.Tensor:
    return layer.product(rows, dtype) if isinstance(layer, Quantized) else layer(rows.values)


def gated(gate: torch.Tensor, layer: Any, rows: Rows, x: torch.Tensor) -> Addend:
    """What is yet to be added to `x`: gate times the layer's output."""
    if isinstance(layer, Fp8Linear):
        return layer.addend(rows, x.shape[:2], gate, x.dtype)
    return Addend(gate, [product(layer, rows, x.dtype).view(x.shape)])


def gelu_product(layer: Any, rows: Rows, form: torch.dtype | None, dtype: torch.dtype) -> Rows:
    """gelu(layer(rows)), for a product that takes `form`."""
    if isinstance(layer, nn.Linear) and form is None and rows.values.is_cuda:
        # Within the product's own kernel.
        return Rows(torch._addmm_activation(layer.bias, rows.values, layer.weight.t(), use_gelu=True))  # noqa: SLF001
    return to_rows(product(layer, rows, dtype)[None], form, gelu=True)


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
