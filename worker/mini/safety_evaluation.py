"""`python -m worker.mini.evaluate --safety`: how many of the CPU model's prompts and drawings SAFETY would refuse. All
of them are harmless, so each is a false alarm. Times are CPU milliseconds of one core.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PIL import Image

from shared.prompt_filter import PromptFilter
from worker.outputs.image_filter import THRESHOLD, ImageFilter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

GOAL = 0.005  # of all, at most
SIDE = 1024  # as the service hands drawings to the finisher


def evaluate_safety(prompts: Sequence[str], drawings: Sequence[Path]) -> bool:
    """Prints the figures; whether both are within the goal."""
    start = time.process_time()
    words = PromptFilter()
    refused = [prompt for prompt in prompts if words.refuses(prompt)]
    prompt_ms = (time.process_time() - start) * 1000 / len(prompts)
    classifier = ImageFilter()
    start = time.process_time()
    scores = sorted((_score(classifier, path), path.name) for path in drawings)
    drawing_ms = (time.process_time() - start) * 1000 / len(drawings)
    alarms = [name for score, name in scores if score >= THRESHOLD]
    middle, (highest, name) = scores[len(scores) // 2][0], scores[-1]
    for line in (
        f"prompts   {len(refused)} of {len(prompts)} refused, {prompt_ms:.1f} ms each: {refused}",
        f"drawings  {len(alarms)} of {len(drawings)} refused, {drawing_ms:.0f} ms each: {alarms}",
        f"scores    median {middle:.4f}, highest {highest:.4f} ({name}), the bound is {THRESHOLD}",
    ):
        print(line)  # noqa: T201
    return len(refused) <= GOAL * len(prompts) and len(alarms) <= GOAL * len(drawings)


def _score(classifier: ImageFilter, path: Path) -> float:
    with Image.open(path) as drawn:
        return classifier.score(drawn.convert("RGB").resize((SIDE, SIDE)))
