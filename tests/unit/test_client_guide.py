"""The guide for the app's developer names each error that the service can answer with, and its status."""

import re
from pathlib import Path

from api.errors import STATUS
from shared.errors import GenerationFailed, StillRunning
from shared.jobs import TRANSITIONS

GUIDE = (Path(__file__).parents[2] / "docs" / "client-guide.md").read_text()


def test_every_error_has_its_line():
    rows = {(code, int(status)) for status, code in re.findall(r"^\| (\d{3}) \| `(\w+)` \|", GUIDE, re.MULTILINE)}
    # The last two are of the old app's call only.
    known = {(kind.code, status) for kind, status in STATUS.items() if kind not in (StillRunning, GenerationFailed)}
    assert known <= rows
    assert rows - known == {("body_too_large", 413), ("internal_error", 500)}


def test_the_diagram_has_the_transitions():
    drawn = {(source, target) for source, target in re.findall(r"^    (\w+) --> (\w+)", GUIDE, re.MULTILINE)}
    assert drawn == {(source, target) for source, targets in TRANSITIONS.items() for target in targets}
