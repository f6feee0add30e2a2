"""Weights on their way to a card: through two blocks of pinned memory, one filled while the card copies the other.

From mapped pages, which may be swapped or not read yet, the driver copies by itself and with one thread. Here all of
torch's threads read the pages, and the card reads pinned memory at its full rate.
"""

from __future__ import annotations

import torch

BLOCK_BYTES = 64 << 20
# Less is not worth a block.
LEAST_BYTES = 1 << 20


class Staging:
    def __init__(self, device: torch.device, block_bytes: int = BLOCK_BYTES) -> None:
        self._device = device
        self._blocks: list[torch.Tensor] = []
        self._block_bytes = block_bytes
        self._copied: list[torch.cuda.Event] = []
        self._next = 0

    def to_device(self, tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """`tensor` on the device, in `dtype`; converted there, so that it passes as it is in the file."""
        if self._device.type != "cuda" or tensor.is_cuda or tensor.nbytes < LEAST_BYTES:
            return tensor.to(self._device, dtype)
        out = torch.empty(tensor.shape, dtype=tensor.dtype, device=self._device)
        source, target = (whole.view(-1).view(torch.uint8) for whole in (tensor.contiguous(), out))
        for start in range(0, len(source), self._block_bytes):
            end = start + self._block_bytes
            self._pass_on(source[start:end], target[start:end])
        return out.to(dtype)

    def _pass_on(self, part: torch.Tensor, place: torch.Tensor) -> None:
        if not self._blocks:
            self._blocks = [torch.empty(self._block_bytes, dtype=torch.uint8, pin_memory=True) for _ in range(2)]
            self._copied = [torch.cuda.Event() for _ in self._blocks]  # type: ignore[no-untyped-call]
        block, copied = self._blocks[self._next][: len(part)], self._copied[self._next]
        self._next = (self._next + 1) % len(self._blocks)
        # Until the card has read what was in it.
        copied.synchronize()
        block.copy_(part)
        place.copy_(block, non_blocking=True)
        copied.record()
