"""The autoencoder's decoder, compiled for the sizes that are served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


class CompiledDecoder:
    """Stands in for the decoder's forward. Other sizes run uncompiled, so that no request waits for a compiler."""

    def __init__(self, forward: Callable[..., Any], edges: Collection[int]) -> None:
        """`edges`: of the latents to compile for, in latent cells."""
        self._forward = forward
        self._edges = edges
        self._compiled = torch.compile(forward, fullgraph=True, dynamic=False)

    def __call__(self, latents: torch.Tensor, *rest: Any) -> Any:
        """:param latents: (B, channels, edge, edge)."""
        forward = self._compiled if latents.shape[-1] in self._edges else self._forward
        return forward(latents, *rest)
