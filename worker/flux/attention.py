"""Which kernel computes an attention, chosen by a timing at the first call of each shape, before any graph is captured.
The choice is kept (kept_choices.py).

    torch    cuDNN's or flash attention, as torch's backends are ordered
    flash3   FlashAttention-3 in bf16
    fp8      FlashAttention-3 in e4m3 (fp8_attention.py), with FP8_ATTENTION, for the plans that multiply in fp8

The latter two need Hopper, bf16 and the optional package fa3-fwd, which is for CUDA 13 (`pip install --group flash3 -c
constraints.txt`). Without it, or on another card, torch computes all.
"""

from __future__ import annotations

from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.nn import functional

from shared.observability.logging import get_logger
from worker.flux import fp8_attention, kept_choices
from worker.flux.fp8_attention import Part
from worker.flux.rows import norm_rotate
from worker.flux.timing import median_milliseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.flux.fp8_attention import Units

log = get_logger(__name__)
CAPABILITY, PACKAGE = (9, 0), "fa3-fwd"
# An attention is timed with the passes before it. Another kernel than torch's must take at most so much of its time:
# where they are near, the next start could choose otherwise, and the same seed would draw another image.
LEAST_GAIN = 0.97


class Kernel(StrEnum):
    TORCH = "torch"
    FLASH3 = "flash3"
    FP8 = "fp8"


def kernels(capability: tuple[int, int], dtype: torch.dtype, *, fp8: bool) -> tuple[Kernel, ...]:
    """Those that this card and these packages have. `fp8`: the plan may attend in fp8."""
    if capability != CAPABILITY or dtype is not torch.bfloat16:
        return (Kernel.TORCH,)
    try:
        import fa3_fwd_interface  # noqa: F401, PLC0415 - an optional package, for CUDA 13 only
    except (ImportError, OSError) as error:
        log.info("attention.no_flash3", reason=f"{type(error).__name__}: {error}")
        return (Kernel.TORCH,)
    return (Kernel.TORCH, Kernel.FLASH3, Kernel.FP8) if fp8 else (Kernel.TORCH, Kernel.FLASH3)


class Attending(NamedTuple):
    """What the attentions of a step have in common."""

    kernel: Kernel
    cos: torch.Tensor  # (T, D / 2), as sin
    sin: torch.Tensor


class Projections:
    """Queries, keys and values on their way into one attention."""

    def __init__(
        self, attending: Attending, units: Units, like: torch.Tensor, heads: int, *, room: torch.Tensor | None = None
    ) -> None:
        """:param like: the residual stream (B, T, W).
        :param room: (B, T, 3, H, D), the memory of the product that `add` is given, where there is one for all tokens.
        """
        self._attending, self._units = attending, units
        self._shape = (*like.shape[:2], heads, like.shape[2] // heads)
        self._parts: list[Part] = []
        if attending.kernel is Kernel.FP8:
            self._room = like
        else:
            images, tokens, *head = self._shape
            self._room = like.new_empty(images, tokens, 3, *head) if room is None else room

    def room(self, place: slice) -> torch.Tensor | None:
        """(T_s, 3 * W), where the product of the tokens at `place` is best written: then `add` copies no values. None
        where the tokens of several images are apart.
        """
        images, *_, dim = self._shape
        if self._attending.kernel is Kernel.FP8 or images > 1 or not self._room.is_cuda:
            return None
        return self._room[0, place].view(-1, 3 * self._shape[2] * dim)

    def add(self, product: torch.Tensor, place: slice, norms: Sequence[Any]) -> None:
        """:param product: (B * T_s, 3 * W), of the tokens at `place`.
        :param norms: of queries and of keys.
        """
        part = Part(product, place, norms, self._attending.cos[place], self._attending.sin[place])
        if self._attending.kernel is Kernel.FP8:
            # The values' range is that of all parts.
            self._parts.append(part)
        else:
            norm_rotate(product, self._room[:, place], norms, part.cos, part.sin)

    def attend(self, start: int = 0) -> torch.Tensor:
        """(B, T - start, W): only the queries from `start` on attend."""
        if self._attending.kernel is Kernel.FP8:
            codes = fp8_attention.quantize(self._parts, self._units, self._shape)
            return fp8_attention.attend(codes, start).to(self._room.dtype)
        query, key, value = self._room.unbind(2)
        if self._attending.kernel is Kernel.TORCH:
            query, key, value = (part.transpose(1, 2) for part in (query[:, start:], key, value))
            return functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        import fa3_fwd_interface  # noqa: PLC0415 - as above

        out: torch.Tensor = fa3_fwd_interface.flash_attn_func(query[:, start:], key, value)
        return out.flatten(2)


class Choice:
    """Chooses by shape, among `known`."""

    def __init__(self, known: Sequence[Kernel] = (Kernel.TORCH,)) -> None:
        self._known = known
        self._chosen: dict[tuple[int, int], Kernel] = {}

    def kernel(self, x: torch.Tensor, heads: int) -> Kernel:
        """:param x: the residual stream (B, T, W)."""
        if len(self._known) == 1:
            return self._known[0]
        key = (x.shape[0], x.shape[1])
        if key not in self._chosen:
            what = f"attention {tuple(x.shape)} {heads} {x.dtype} {_package_version()}"
            self._chosen[key] = Kernel(kept_choices.choose(what, self._known, lambda: self._fastest(x, heads)))
        return self._chosen[key]

    def _fastest(self, x: torch.Tensor, heads: int) -> Kernel:
        took = {kernel: _milliseconds(kernel, x, heads) for kernel in self._known}
        fastest = min(self._known, key=lambda kernel: took[kernel] / (1.0 if kernel is Kernel.TORCH else LEAST_GAIN))
        log.info(
            "attention.chosen",
            kernel=fastest,
            images=x.shape[0],
            tokens=x.shape[1],
            milliseconds={str(kernel): round(time, 4) for kernel, time in took.items()},
        )
        return fastest


def _package_version() -> str:
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return ""


def _milliseconds(kernel: Kernel, x: torch.Tensor, heads: int) -> float:
    """Median time of an attention of `x`'s shape, with the passes before it, on random numbers; as a graph, because the
    host takes longer to launch it than the card to compute it.
    """
    images, tokens, width = x.shape
    norms = [torch.nn.RMSNorm(width // heads, eps=1e-6, device=x.device, dtype=x.dtype) for _ in range(2)]
    cos, sin = torch.rand(2, tokens, width // heads // 2, device=x.device)
    attending, units = Attending(kernel, cos, sin), fp8_attention.units_of([norms], heads)
    product = torch.randn(images * tokens, 3 * width, device=x.device, dtype=x.dtype)
    room = product.view(images, tokens, 3, heads, -1)

    def attend() -> None:
        projections = Projections(attending, units, x, heads, room=room)
        projections.add(product, slice(None), norms)
        projections.attend()

    return median_milliseconds(attend, as_graph=True)
