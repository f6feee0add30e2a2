"""A second CUDA stream, for kernels that do not depend on each other.

Where the last tiles of one matrix product leave processors idle, or a pass over memory the matrix units, the other
stream's kernels fill them.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator


class SideStream:
    """Where not `enabled`, everything stays on the current stream.

    The caching allocator hands out freed memory in the order of the stream that allocated it, and knows nothing of
    reads by the other stream. So a tensor that one stream makes and the other reads must stay referenced until the next
    wait of its own stream: a tensor of the current stream until `join`, one of the side stream until the next `branch`
    or until the current stream has enqueued its last read (the side stream allocates within `branch` only, after its
    wait).
    """

    def __init__(self, *, enabled: bool) -> None:
        self._stream = torch.cuda.Stream() if enabled else None  # type: ignore[no-untyped-call]
        self._branched = False

    @contextmanager
    def branch(self) -> Iterator[None]:
        """Enqueues the kernels inside on the side stream, after all that the current stream holds already."""
        if self._stream is None:
            yield
            return
        self._stream.wait_stream(torch.cuda.current_stream())
        self._branched = True
        with torch.cuda.stream(self._stream):
            yield

    def join(self) -> None:
        """Lets the current stream wait for all that the side stream holds, if anything branched since the last time."""
        if self._stream is not None and self._branched:
            torch.cuda.current_stream().wait_stream(self._stream)
            self._branched = False
