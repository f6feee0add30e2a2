"""Keeps the host at most one step ahead of the card.

CUDA kernels run after the call that enqueues them has returned: without waits, the host would enqueue all steps within
milliseconds, report them as done and see a cancel only at the end. With one step of lead the card never idles, progress
is that of the card, and a cancel takes effect within a step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable


class StepSync:
    def __init__(self, device: str, report: Callable[[int], None]) -> None:
        """`report` is called with the number of steps that are done; what it raises is passed on."""
        self._on_card = device == "cuda"
        self._report = report
        self._last: torch.cuda.Event | None = None

    def enqueued(self, step: int) -> None:
        """Step `step`, from 1, is enqueued: waits for the one before it, while the card computes this one."""
        if not self._on_card:
            self._report(step)
            return
        before, self._last = self._last, torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        self._last.record()
        if before:
            before.synchronize()
            self._report(step - 1)

    def finish(self, steps: int) -> None:
        """All `steps` are enqueued: waits for the last one."""
        if self._last:
            self._last.synchronize()
            self._report(steps)
