"""The guide for app developers names each error that the service can answer with, and its status."""

import re
from pathlib import Path

from api.errors import STATUS
from shared.errors import GenerationFailed, StillRunning
from shared.jobs import TRANSITIONS, Failure
from shared.schemas import JobError

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "client-guide.md").read_text()


def test_every_error_has_its_line():
    rows = {(code, int(status)) for status, code in re.findall(r"^\| (\d{3}) \| `(\w+)` \|", GUIDE, re.MULTILINE)}
    # Only the mobile app's call answers with the last two.
    known = {(kind.code, status) for kind, status in STATUS.items() if kind not in (StillRunning, GenerationFailed)}
    assert known <= rows
    assert rows - known == {("body_too_large", 413), ("internal_error", 500)}


def test_every_error_of_a_job_has_its_line():
    codes = {code.value for code in Failure}
    table = GUIDE.partition("| `error.code` of a failed job |")[2]
    rows = re.findall(r"^\| (`.+?`) \|", table, re.MULTILINE)
    assert sorted(code for row in rows for code in re.findall(r"`(\w+)`", row)) == sorted(codes)
    assert set(re.findall(r"[a-z_]+", JobError.model_fields["code"].description)) - {"or"} == codes


def test_the_diagram_has_the_transitions():
    drawn = {(source, target) for source, target in re.findall(r"^    (\w+) --> (\w+)", GUIDE, re.MULTILINE)}
    assert drawn == {(source, target) for source, targets in TRANSITIONS.items() for target in targets}
