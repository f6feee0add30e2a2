"""The page of `make card-report`: what an owner of a card pastes can be read again."""

import json
import re
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "benchmarks" / "gpu"
GIB = 2**30


@pytest.fixture
def report(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    for name in ("run", "card_report"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import card_report  # noqa: PLC0415 - as its own process would find it

    yield card_report
    for name in ("run", "card_report"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("gib", "parts"),
    [
        (80, ("exact", "fast", "draft")),
        (39.5, ("exact", "fast", "draft")),
        (24, ("memory-8bit",)),
        (16, ("memory-4bit",)),
        (11.9, ("memory-4bit",)),
        (8, ("memory-offload",)),
    ],
)
def test_what_fits_into_a_card_is_measured(report, gib, parts):
    assert report.parts_for(int(gib * GIB)) == parts
    assert set(parts) <= set(report.run.PARTS)


def test_the_page_has_the_tables_and_the_same_as_json(report, monkeypatch):
    monkeypatch.setattr(report.run, "machine", lambda: "a card; Python 3")
    results = [{"part": "memory", "plan": "8bit", "peak": 20.7, "seconds": 6.1, "ran": "memory-8bit"}]
    page = report.page(
        "a card; Python 3", {"name": "RTX 3090", "memory_gib": 24.0}, results, ["memory-8bit: done, 99 s"]
    )
    assert "| 8bit | 20.7 | 6.1 |" in page
    (block,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    found = json.loads(block)
    assert found["results"] == results
    assert found["card"]["name"] == "RTX 3090"
    assert found["notes"] == ["memory-8bit: done, 99 s"]
