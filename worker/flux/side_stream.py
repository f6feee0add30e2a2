"""A second stream of the card, for what does not depend on each other: where the last tiles of one product leave
processors idle, or a pass over memory the matrix units, the other stream's kernels fill them.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator


class Beside:
    """Where not `used`, all stays on the one stream.

    A tensor that one stream made and the other reads must outlive the wait that follows: `join` for the current
    stream's tensors, the next `branch` for the side stream's. Then the allocator, which reuses memory in the order of
    each stream, cannot hand it out too early.
    """

    def __init__(self, *, used: bool) -> None:
        self._stream = torch.cuda.Stream() if used else None  # type: ignore[no-untyped-call]

    @contextmanager
    def branch(self) -> Iterator[None]:
        """What is enqueued inside follows all that the current stream has, and runs beside what it gets next."""
        if self._stream is None:
            yield
            return
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            yield

    def join(self) -> None:
        """What the current stream gets next follows all that the side stream has."""
        if self._stream is not None:
            torch.cuda.current_stream().wait_stream(self._stream)
