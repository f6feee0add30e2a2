"""docs/deployment-vastai.md: its commands can be replayed, and its estimates follow from measurements."""

import re
import subprocess
from pathlib import Path

import pytest
import walk

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "deployment-vastai.md").read_text()
MEASURED = (DOCS / "performance.md").read_text()
STEPS = 28
H100 = {"bf16": 989, "eight": 1979, "memory": 3350}


def test_each_block_is_a_script_and_says_where_it_runs():
    blocks = walk.blocks()
    assert len(blocks) == PAGE.count("```sh")
    assert {mark for mark, _ in blocks} == {"", "docker", "rented", "alternative"}
    for mark, text in blocks:
        assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0, text
        assert ("docker " in text) == (mark == "docker"), text


def test_the_walk_needs_neither_docker_nor_a_card():
    script = walk.script()
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    assert not re.search(r"docker|test-gpu|bench-gpu|ADDRESS|REGISTRY|KEY\b", script)
    assert script.index("make serve") < script.index("/health/ready") < script.index("/api/generate_logo")


def measured(plan, size):
    """Measured on the H100: milliseconds of a step's parts, and seconds outside the steps."""
    (parts,) = re.findall(rf"^\| {plan} \| {size} \|" + r" ([\d.]+) \|" * 5 + "$", MEASURED, re.MULTILINE)
    parts = [float(part) for part in parts]
    (seconds,) = re.findall(rf"^\| {plan} \| {size} \| ([\d.]+) \| [\d.]", MEASURED, re.MULTILINE)[:1]
    return parts, float(seconds) - STEPS * sum(parts) / 1000


def seconds_on(plan, size, bf16, eight, memory):
    (products, attention, passes, gaps, copies), outside = measured(
        "exact" if plan in ("exact", "4bit") else "fast", size
    )
    slower = H100["bf16"] / bf16
    of_products = slower if plan in ("exact", "4bit") else H100["eight"] / eight
    of_memory = H100["memory"] / memory
    step = products * of_products + attention * slower + (passes + copies) * of_memory + gaps
    unpacking = (4.741 - 3.533) * of_memory if plan == "4bit" else 0
    return STEPS * step / 1000 + outside * slower + unpacking


ROWS = re.findall(
    r"^\| ([^|]+) \| \d+ GB \| (?:`full`, )?`(\w+)`[^|]* \| ([\d.]+), ([\d.]+|-), ([\d.]+) "
    r"\| ([\d.]+) (\w+) \| ([\d.]+) (\w+) \| \$([\d.]+) \|$",
    PAGE,
    re.MULTILINE,
)


@pytest.mark.parametrize("row", ROWS)
def test_a_cards_seconds_and_cost_follow_from_its_rates(row):
    card, plan, bf16, eight, memory, small, how, large, _, cost = row
    rates = (float(bf16), 0.0 if eight == "-" else float(eight), float(memory))
    digits = 2 if how == "measured" else 1
    assert (how == "measured") == card.startswith("H100")
    assert float(small) == pytest.approx(seconds_on(plan, 512, *rates), abs=0.51 * 10**-digits)
    assert float(large) == pytest.approx(seconds_on(plan, 1024, *rates), abs=0.51 * 10**-digits)
    assert float(cost) == pytest.approx(seconds_on(plan, 1024, *rates) / 3.6, abs=0.02)


def test_no_row_is_left_out():
    assert len(ROWS) == len(re.findall(r"^\|.*\| \$[\d.]+ \|$", PAGE, re.MULTILINE)) == 9
