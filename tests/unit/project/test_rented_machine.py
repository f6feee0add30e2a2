"""docs/deployment-vastai.md: its commands can be replayed, and its estimates follow from measurements."""

import re
import subprocess
from pathlib import Path

import pytest
import walk

from worker.flux.step_schedule import most

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


def of_h100(kind, size):
    """Milliseconds of a step's products, attention, passes and gaps, of what is outside the steps, and of unpacking."""
    (found,) = re.findall(rf"^  \| {kind}, {size} px \|" + r" ?([\d.]*) \|" * 6 + "$", PAGE, re.MULTILINE)
    return [float(number or 0) for number in found]


def measured(plan, size):
    """Seconds on the H100."""
    (seconds,) = re.findall(rf"^\| {plan}, {size} px \| ([\d.]+)", MEASURED, re.MULTILINE)[:1]
    return float(seconds)


def seconds_on(kind, plan, size, bf16, eight, memory):
    """By the page's formula."""
    products, attention, passes, gaps, outside, unpacking = of_h100(kind, size)
    slower = H100["bf16"] / bf16
    of_products = slower if kind == "`exact`" else H100["eight"] / eight
    of_memory = H100["memory"] / memory
    step_ms = products * of_products + attention * slower + passes * of_memory + gaps
    extra = unpacking * of_memory if plan == "4bit" else 0
    steps = sum(most(step, STEPS) for step in range(STEPS)) if plan == "fast" else STEPS
    return (steps * step_ms + outside * slower + extra) / 1000


ROWS = re.findall(
    r"^\| ([^|]+) \| \d+ GB \| (?:`full`, )?`(\w+)`([^|]*) \| ([\d.]+), ([\d.]+|-), ([\d.]+) "
    r"\| ([\d.]+) (\w+) \| ([\d.]+) (\w+) \| \$([\d.]+) \|$",
    PAGE,
    re.MULTILINE,
)


@pytest.mark.parametrize("row", ROWS)
def test_a_cards_seconds_and_cost_follow_from_its_rates(row):
    card, plan, format_, bf16, eight, memory, small, how, large, _, cost = row
    assert (how == "measured") == card.startswith("H100")
    if how == "measured":
        seconds = [measured(plan, size) for size in (512, 1024)]
    else:
        kind = "`exact`" if plan in ("exact", "4bit") else "int8" if "int8" in format_ else "fp8"
        rates = (float(bf16), 0.0 if eight == "-" else float(eight), float(memory))
        seconds = [seconds_on(kind, plan, size, *rates) for size in (512, 1024)]
    digits = 2 if how == "measured" else 1
    assert float(small) == pytest.approx(seconds[0], abs=0.51 * 10**-digits)
    assert float(large) == pytest.approx(seconds[1], abs=0.51 * 10**-digits)
    assert float(cost) == pytest.approx(seconds[1] / 3.6, abs=0.02)


def test_no_row_is_left_out():
    assert len(ROWS) == len(re.findall(r"^\|.*\| \$[\d.]+ \|$", PAGE, re.MULTILINE)) == 10
