"""One denoising step: from latents to their velocity, in as few kernels as it takes.

The numbers are those of diffusers' `FluxTransformer2DModel.forward` without image guidance or ControlNets, up to
rounding: what is added to the residual stream, normed and rotated stays in float32 until it is stored.

A step is matrix products (cuBLAS), attention (attention.py chooses its kernel), and passes over rows (rows.py). A pass
reads and writes each activation once. The products of FLUX.1, input times weight, with the letters of
worker/flux/__init__.py (the MLPs are 4 W wide, T5's embeddings 4096, a latent token 64):

    once       context_embedder   (B * T_text, 4096) x (4096, W)      the prompt's embeddings
               x_embedder         (B * T_image, 64)  x (64, W)        the latents
    19 double-stream blocks, for text and for image with weights of its own, T_s of T_text and T_image:
               to_qkv             (B * T_s, W)       x (W, 3 W)       one product for queries, keys and values
               attention          (B, H, T, D)                        over text and image together
               to_out             (B * T_s, W)       x (W, W)
               MLP in             (B * T_s, W)       x (W, 4 W)
               MLP out            (B * T_s, 4 W)     x (4 W, W)
    38 single-stream blocks, text and image as one sequence; both of the first two read the same normed rows:
               to_qkv             (B * T, W)         x (W, 3 W)
               proj_mlp           (B * T, W)         x (W, 4 W)
               attention          (B, H, T, D)
               proj_out           (B * T, 5 W)       x (5 W, W)       of attention and MLP side by side
    once       proj_out           (B * T_image, W)   x (W, 64)        the velocity

proj_out of a single-stream block is one product in fp8, else two whose outputs are added (single_stream.py says why).

What is fused into which pass, in this order between the products:

    add_norm       residual += gate * (the previous product's output, with its fp8 scales and bias); layer norm; AdaLN's
                   (1 + scale) and shift; quantization for the next product
    norm_rotate    RMS norm of each head's query and key; rotary embedding; the copy into the common (B, T, 3, H, D), in
                   e4m3 where the attention is (fp8_attention.py)
    to_rows        GELU and quantization of an 8-bit product's input. In bf16 there is no such pass: the GELU is in the
                   product's own kernel

So the addition to the residual stream that ends a block is part of the pass that begins the next: it is handed on as
an `Addend`. Of the last block only the image tokens are computed after the attention, because nothing reads the text's.

With few rows, kernels that do not depend on each other run on two streams (side_stream.py): text beside image in a
double-stream block, MLP beside attention in a single-stream block.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from worker.flux import double_stream, single_stream
from worker.flux.attention import Attending, Choice, Kernel
from worker.flux.rows import Addend, add_norm
from worker.flux.side_stream import SideStream

if TYPE_CHECKING:
    from collections.abc import Sequence

# B * T. On an H100 two streams made 1536 rows (512 px) up to 5 % faster, and 4608 (1024 px) no faster: there the card's
# power is the limit, not idle processors.
SIDE_STREAM_MAX_ROWS = 2048


class Denoiser:
    """Stands in for the transformer's forward, after `Modulations` has replaced its modulations by rows."""

    def __init__(
        self,
        transformer: Any,
        backends: Sequence[SDPBackend],
        *,
        side_stream: bool = False,
        kernels: Sequence[Kernel] = (Kernel.TORCH,),
    ) -> None:
        """Replaces `proj_out` of the single-stream blocks by two layers where it is not fp8.

        :param backends: of torch's attention, which takes the first that supports the inputs.
        :param side_stream: use two streams for few rows. The memory of both streams' activations is held together.
        :param kernels: of attention; the fastest is taken.
        """
        self._transformer = transformer
        self._backends = list(backends)
        self._choice = Choice(kernels)
        self._double = [double_stream.layers_of(block) for block in transformer.transformer_blocks]
        self._single = [single_stream.layers_of(block) for block in transformer.single_transformer_blocks]
        self._one_stream, self._two_streams = SideStream(enabled=False), SideStream(enabled=side_stream)
        self._angles: dict[tuple[Any, ...], tuple[torch.Tensor, torch.Tensor]] = {}

    def __call__(self, **inputs: Any) -> tuple[torch.Tensor]:
        """Takes the inputs of diffusers' forward, and ignores those that only the modulations need.

        :param inputs: `hidden_states` (B, T_image, 64), `encoder_hidden_states` (B, T_text, 4096), `img_ids`
            (T_image, 3) and `txt_ids` (T_text, 3); `grid`, the image's height and width, absent for a square.
        :returns: the velocity (B, T_image, 64).
        """
        transformer = self._transformer
        text = transformer.context_embedder(inputs["encoder_hidden_states"])
        image = transformer.x_embedder(inputs["hidden_states"])
        x = torch.cat([text, image], 1)
        text_tokens = text.shape[1]
        with sdpa_kernel(self._backends, set_priority=True):
            kernel = self._choice.kernel(x, self._single[0].heads)
        attending = Attending(kernel, *self._rotation(inputs, text_tokens, image.shape[1]))
        side = self._two_streams if x[..., 0].numel() <= SIDE_STREAM_MAX_ROWS else self._one_stream
        try:
            last = self._blocks(x, text_tokens, attending, side)
        except BaseException:
            # A capture cannot end while the side stream is in it, and freed memory must not be read any more.
            with suppress(RuntimeError):
                side.join()
            raise
        norm = transformer.norm_out
        scale, shift = norm.linear.row.chunk(2, 1)
        rows = add_norm(x[:, text_tokens:], last, shift, scale, norm.norm.eps, None)
        return (transformer.proj_out(rows.values).view(*image.shape[:2], -1),)

    def _blocks(self, x: torch.Tensor, text_tokens: int, attending: Attending, side: SideStream) -> Addend:
        """All blocks; `x` (B, T, W) is changed in place, and what is yet to be added to its image tokens returned."""
        last: Addend | None = None
        *blocks, last_block = self._single
        with sdpa_kernel(self._backends, set_priority=True):
            double_stream.run(self._double, x, text_tokens, attending, side)
            for block in blocks:
                last = single_stream.run(block, x, attending, last, side)
            return single_stream.run(last_block, x, attending, last, side, start=text_tokens)

    def _rotation(self, inputs: Any, text_tokens: int, image_tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines (T, D / 2) of the rotary embedding. Kept by the numbers of tokens and the image's height
        and width, which determine the positions.
        """
        key = (text_tokens, image_tokens, inputs.get("grid"))
        if key not in self._angles:
            cos, sin = self._transformer.pos_embed(torch.cat([inputs["txt_ids"], inputs["img_ids"]]))
            # diffusers has each number twice.
            self._angles[key] = (cos[:, ::2].contiguous(), sin[:, ::2].contiguous())
        return self._angles[key]
