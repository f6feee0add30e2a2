"""The order of the tests where several processes of pytest run them.

`--dist worksteal` deals the tests out in one contiguous share for each process, and takes from the tails of shares. So
the tests that use one of the session's stacks stand one after another at the head of one share: each stack is started
once, and what is light is left for the end, where it evens the processes out.
"""

from __future__ import annotations

import os

import pytest

HEADS = ("stack", "struck", "new_stack")  # a fixture of each group of heavy tests


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if processes > 1:
        items[:] = ordered(items, processes)


def ordered(items: list[pytest.Item], processes: int) -> list[pytest.Item]:
    heads: list[list[pytest.Item]] = [[] for _ in range(processes)]
    light = []
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        group = next((number for number, name in enumerate(HEADS) if name in fixtures), None)
        (light if group is None else heads[group % processes]).append(item)
    shares, left = [], len(items)
    for number, head in enumerate(heads):
        size = max(left // (processes - number), len(head))
        shares += head + light[: size - len(head)]
        light = light[size - len(head) :]
        left -= size
    return shares + light
