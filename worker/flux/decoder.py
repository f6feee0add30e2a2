"""The autoencoder's decoder, compiled for the sizes that are served.

The images of a batch are decoded one after another: one fills the card, and more at once would take that much more
memory. So there is one shape to compile for each size that is served, however many images are denoised together. Dynamo
refuses more than 8 shapes of one function (`recompile_limit`, an error with `fullgraph`); FLUX has 5 squares, and
oblongs beside them, so the limit is raised to what is served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from shared.canvas import Canvas

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


class CompiledDecoder:
    """Stands in for the decoder's forward. Other shapes run uncompiled, so that no request waits for a compiler."""

    def __init__(self, forward: Callable[..., Any], served: Collection[Canvas | int]) -> None:
        """`served`: the latents to compile for, in latent cells."""
        self._forward = forward
        self._served = {Canvas.of(cells) for cells in served}
        dynamo: Any = torch._dynamo.config  # noqa: SLF001 - torch's documented name of it
        dynamo.recompile_limit = max(dynamo.recompile_limit, len(self._served))
        self._compiled = torch.compile(forward, fullgraph=True, dynamic=False)

    def __call__(self, latents: torch.Tensor, *rest: Any) -> torch.Tensor:
        """:param latents: (B, channels, height, width); a tile of a larger image is not compiled for."""
        height, width = latents.shape[2:]
        forward = self._compiled if Canvas(width, height) in self._served else self._forward
        # Cloned, so that an image of a batch is to the compiler as one alone.
        return torch.cat([forward(image.clone(), *rest) for image in torch.split(latents, 1)])
