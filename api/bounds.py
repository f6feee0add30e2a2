"""Bounds what callers hold of this process at the same time: bytes of images that are being sent, calls that wait."""

from __future__ import annotations

from collections import Counter

from shared import errors

RETRY_AFTER_SECONDS = 5


class Bound:
    """A bound for the process and one for each caller. Who holds nothing may take any amount, else an image that is
    larger than the bound could never be had.

    :param unit: what is counted, for the error's message.
    :param too_many: raised where a caller would hold too much.
    """

    def __init__(self, unit: str, most: int, most_per_caller: int, too_many: type[errors.RequestError]) -> None:
        self._unit = unit
        self._most = most
        self._most_per_caller = most_per_caller
        self._too_many = too_many
        self._held: Counter[str] = Counter()
        self.total = 0

    def hold(self, caller: str, amount: int = 1, *, refuse: bool = True) -> Hold:
        """Counts `amount` for `caller` until the context ends, which when it begins raises an error of the type
        `too_many`, or `errors.Overloaded` where this process would hold too much.

        :param refuse: False for an answer whose work is done already: it counts, and is given.
        """
        return Hold(self, caller, amount, refuse)

    def add(self, caller: str, amount: int, *, refuse: bool) -> None:
        if refuse and (error := self._refusal(caller, amount)):
            raise error
        self._held[caller] += amount
        self.total += amount

    def remove(self, caller: str, amount: int) -> None:
        self.total -= amount
        self._held[caller] -= amount
        if not self._held[caller]:
            del self._held[caller]

    def has_room(self, caller: str, amount: int = 1) -> bool:
        return self._refusal(caller, amount) is None

    def _refusal(self, caller: str, amount: int) -> errors.LogoError | None:
        held = self._held.get(caller, 0)
        if held and held + amount > self._most_per_caller:
            return self._too_many(
                f"{held} {self._unit} of this caller are held here, the bound is {self._most_per_caller}",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        if self.total and self.total + amount > self._most:
            return errors.Overloaded(
                f"{self.total} {self._unit} are held here, the bound is {self._most}",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        return None


class Hold:
    """A context in which its caller holds its amount: a generator would take three times the memory of each wait."""

    __slots__ = ("_amount", "_bound", "_caller", "_refuse")

    def __init__(self, bound: Bound, caller: str, amount: int, refuse: bool) -> None:
        self._bound = bound
        self._caller = caller
        self._amount = amount
        self._refuse = refuse

    def __enter__(self) -> None:
        self._bound.add(self._caller, self._amount, refuse=self._refuse)

    def __exit__(self, *_: object) -> None:
        self._bound.remove(self._caller, self._amount)
