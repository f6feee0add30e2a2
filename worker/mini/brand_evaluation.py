"""`python -m worker.mini.evaluate --brand`: whether drawings of the CPU model come in the colours that were asked for,
and whether their symbols are as often right as without.

Each prompt is drawn twice with the same seed: as it is, and with one of BRAND_COLOURS random colours on another, after
which `worker.outputs` makes its PNG and SVG. Every other prompt names colours of its own, which contradict those.
The share is counted on the PNG itself: its flat pixels are those that hardly differ from their neighbours.
"""

from __future__ import annotations

import io
import statistics
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image

from shared.outputs import Outputs
from shared.styles.colours import distance, hex_of
from worker.mini import symbols
from worker.mini.matching import match
from worker.outputs.branding import share_within
from worker.outputs.making import About, Marking, make
from worker.outputs.merging import PLAIN, SQUARE
from worker.prompts import Wish, compose

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from worker.mini.evaluate import Case

SIDE, SEED = 512, 21
BRAND_COLOURS = 30
CONTRAST = 30.0  # CIEDE2000: the least between a logo's colour and its ground
SHARE_GOAL = 0.98


@dataclass(frozen=True)
class Branded:
    case: Case
    colour: str
    background: str

    @property
    def prompt(self) -> str:
        wish = Wish(self.case.prompt, self.case.enhanced, colors=(self.colour,), background_color=self.background)
        return compose(wish).text

    @property
    def plain_prompt(self) -> str:
        return compose(Wish(self.case.prompt, self.case.enhanced)).text


def branded_cases(cases: Sequence[Case]) -> list[Branded]:
    rng = Random(SEED)  # noqa: S311 - a fixed list, no secrets
    brand = [hex_of((rng.randrange(256), rng.randrange(256), rng.randrange(256))) for _ in range(BRAND_COLOURS)]
    found = []
    for number, case in enumerate(cases):
        colour = brand[number % BRAND_COLOURS]
        background = rng.choice([other for other in brand if distance(colour, other) >= CONTRAST])
        found.append(Branded(case if number % 2 else _uncoloured(case), colour, background))
    return found


def _uncoloured(case: Case) -> Case:
    noun = symbols.NOUNS[case.symbol][0]
    return replace(case, prompt=f"a {noun}" if case.container == "none" else f"a {noun} in a {case.container}")


@dataclass(frozen=True)
class Missing:
    path: Path
    prompt: str
    seed: int


def missing(cases: Sequence[Branded], folder: Path) -> list[Missing]:
    """The drawings, of 256 pixels, that are not in the folder yet."""
    folder.mkdir(parents=True, exist_ok=True)
    asked = [Missing(folder / f"{n:03}-brand.png", one.prompt, one.case.seed) for n, one in enumerate(cases)]
    asked += [Missing(folder / f"{n:03}-plain.png", one.plain_prompt, one.case.seed) for n, one in enumerate(cases)]
    return [one for one in asked if not one.path.exists()]


def evaluate(cases: Sequence[Branded], folder: Path) -> bool:
    """Prints the figures of the drawings in the folder; whether the goals are met."""
    found = [judge(Image.open(folder / f"{n:03}-brand.png"), one) for n, one in enumerate(cases)]
    plain = [_symbol(Image.open(folder / f"{n:03}-plain.png"), one.case) for n, one in enumerate(cases)]
    return report(found, plain)


@dataclass(frozen=True)
class Figures:
    share: float
    ground: float
    vector: bool
    symbol: bool
    reported: float


def judge(drawn: Image.Image, asked: Branded) -> Figures:
    outputs = Outputs(("png", "svg"), colors=(asked.colour,), background_color=asked.background)
    about = About(asked.prompt, asked.case.seed, "cpu model", 28, 3.5, "evaluation")
    enlarged = drawn.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    made = make(enlarged, (SIDE,), 0, outputs, about, Marking())
    picture = Image.open(io.BytesIO(next(file.data for file in made.files if file.format == "png"))).convert("RGB")
    rgb = np.asarray(picture)
    flat = cv2.morphologyEx(rgb, cv2.MORPH_GRADIENT, SQUARE).max(axis=2) <= PLAIN
    border = np.zeros_like(flat)
    border[:4], border[-4:], border[:, :4], border[:, -4:] = True, True, True, True
    return Figures(
        share=share_within(rgb, flat, [asked.colour, asked.background]),
        ground=share_within(rgb, flat & border, [asked.background]),
        vector=set(made.palette) <= {asked.colour, asked.background},
        symbol=_symbol(picture, asked.case),
        reported=made.colors_share or 0.0,
    )


def report(found: Sequence[Figures], plain: Sequence[bool]) -> bool:
    count = len(found)
    share = statistics.fmean(one.share for one in found)
    right, before = sum(one.symbol for one in found), sum(plain)
    lines: list[tuple[str, Any, str, Any, bool]] = [
        ("flat pixels within 2 (CIEDE2000)", f"{share:.4f}", ">=", SHARE_GOAL, share >= SHARE_GOAL),
        ("symbol right", f"{right} of {count}", ">=", f"{before} without", right >= before),
    ]
    for name, value, direction, goal, good in lines:
        print(f"{name:34} {value:>12} {direction} {goal}: {'yes' if good else 'NO'}")  # noqa: T201
    print(  # noqa: T201
        f"lowest share {min(one.share for one in found):.4f}, as reported {min(one.reported for one in found):.4f}; "
        f"flat pixels of the border in the background's colour {statistics.fmean(one.ground for one in found):.4f}; "
        f"SVGs with no other fill {sum(one.vector for one in found)} of {count}"
    )
    return all(good for *_, good in lines)


def _symbol(picture: Image.Image, case: Case) -> bool:
    return match(picture, case.container).symbol == case.symbol
