"""docs/architecture.md draws the rooms and the imports between them, as they are in the code."""

import re
from collections import defaultdict
from pathlib import Path

import grimp
import pytest

PAGE = (Path(__file__).parents[3] / "docs/architecture.md").read_text()
PACKAGES = ("api", "worker", "shared")
# Each keeps a documented command alive, and does nothing but import its program in shared.stack.
COMMANDS = {"shared.serve": "shared.stack", "shared.flower": "shared.stack"}
(DRAWING,) = re.findall(r"^## The rooms\n.*?^```mermaid\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
DRAWN = set(re.findall(r"^\s*([a-z.]+) --> ([a-z.]+)$", DRAWING, re.MULTILINE))
NODES = set(re.findall(r"^\s*([a-z.]+)\[", DRAWING, re.MULTILINE))


def room_of(module, rooms):
    """The smallest room that the module lies in."""
    inside = [room for room in rooms if f"{module}.".startswith(f"{room}.")]
    return COMMANDS.get(module) or max(inside, key=len)


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph(*PACKAGES, exclude_type_checking_imports=True, cache_dir=None)


@pytest.fixture(scope="module")
def imports(graph):
    """By arrow: the imports that make it."""
    found = defaultdict(list)
    for module in sorted(graph.modules):
        for imported in sorted(graph.find_modules_directly_imported_by(module)):
            arrow = room_of(module, NODES), room_of(imported, NODES)
            if arrow[0] != arrow[1]:
                found[arrow].append(f"{module} imports {imported}")
    return dict(found)


def test_every_room_is_drawn_and_has_its_line_in_the_table(graph):
    rooms = set(PACKAGES)
    for package in ("worker", "shared"):
        rooms |= {module for module in graph.find_children(package) if graph.find_children(module)}
    assert rooms == NODES
    table = PAGE.partition("## The rooms")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z.]+)` \|", table, re.MULTILINE)) == NODES


def test_every_import_between_rooms_is_drawn(imports):
    missing = [f"{a} --> {b}: {imports[a, b][0]}" for a, b in sorted(imports.keys() - DRAWN)]
    assert missing == [], "docs/architecture.md does not draw: " + "; ".join(missing)


def test_every_arrow_is_an_import(imports):
    superfluous = [f"{a} --> {b}: no module of {a} imports one of {b}" for a, b in sorted(DRAWN - imports.keys())]
    assert superfluous == [], "docs/architecture.md draws too much: " + "; ".join(superfluous)
