"""`python -m worker.mini.evaluate`: measures whether the CPU model draws what it is asked for. It draws held-out
combinations and free wordings on the CPU, as the service does, with fixed seeds; `matching` judges the pictures.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from rich.progress import track

from worker.mini import brand_evaluation, captions, colours, logos, same_but
from worker.mini.containers import CONTAINERS
from worker.mini.matching import match, sharpness
from worker.mini.output_evaluation import evaluate
from worker.mini.safety_evaluation import evaluate_safety
from worker.mini.sheet import GUIDANCE, MODEL_PATH, contact_sheet, draw_prompts, load
from worker.mini.symbols import SYMBOLS
from worker.prompts import enhance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from worker.mini.matching import Match

FREE_WORDING = Path(__file__).parent / "free_wording.tsv"
SEED = 7_000


@dataclass(frozen=True)
class Case:
    """A prompt, and what its picture has to show. `enhanced`: the design guidance is appended before it is drawn."""

    prompt: str
    symbol: str
    container: str
    colour: str
    ground: str
    seed: int
    enhanced: bool = True


@dataclass(frozen=True)
class Verdict:
    case: Case
    match: Match
    sharpness: float

    @property
    def symbol(self) -> bool:
        return self.match.symbol == self.case.symbol

    @property
    def colours(self) -> bool:
        return self.match.colour == self.case.colour and self.match.ground == self.case.ground


def held_out_cases(count: int) -> list[Case]:
    """One-colour logos of held-out combinations. Most of the prompts carry the design guidance; every symbol is asked
    for about equally often.
    """
    rng = Random(SEED)  # noqa: S311 - a fixed list, no secrets
    cases: list[Case] = []
    while len(cases) < count:
        symbol, container = SYMBOLS[len(cases) % len(SYMBOLS)], rng.choice(CONTAINERS)
        colour, ground = rng.choice(colours.NAMES), rng.choice(colours.NAMES)
        alike = colours.contrast(colour, ground) < logos.SYMBOL_CONTRAST
        if alike or not logos.held_out(symbol, colour, container):
            continue
        shape = logos.place(symbol, container, 1)
        logo = logos.Logo(shape, "one-colour", colour, ground, logos.page_for(container, colour, ground))
        prompt = captions.caption(logo, rng, complete=True)
        bare = prompt.removesuffix(enhance(""))
        cases.append(Case(bare, symbol, container, colour, ground, SEED + len(cases), enhanced=bare != prompt))
    return cases


def free_cases(path: Path = FREE_WORDING) -> list[Case]:
    rows = [line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#")]
    return [Case(row[0], row[1], row[2], row[3], row[4], SEED + i) for i, row in enumerate(rows)]


def judge(picture: Image.Image, case: Case) -> Verdict:
    return Verdict(case, match(picture, case.container), sharpness(picture))


def draw(pipeline: Any, cases: Sequence[Case], *, batch: int, **options: Any) -> list[Image.Image]:
    """Draws `batch` images at once. Images of a batch differ from those drawn alone in the last bits."""
    images: list[Image.Image] = []
    for start in track(range(0, len(cases), batch), description="drawing"):
        some = cases[start : start + batch]
        prompts = [enhance(case.prompt) if case.enhanced else case.prompt for case in some]
        images += draw_prompts(pipeline, prompts, seed=some[0].seed, batch=batch, enhanced=False, **options)
    return images


def drawings(model: Path, count: int, folder: Path) -> tuple[list[Path], list[Case]]:
    """The drawings of held-out cases. Those that are in the folder already are not drawn again."""
    folder.mkdir(parents=True, exist_ok=True)
    cases = held_out_cases(count)
    paths = [folder / f"{number:03}.png" for number in range(count)]
    missing = [(path, case) for path, case in zip(paths, cases, strict=True) if not path.exists()]
    if missing:
        pipeline = load(model)
        for path, case in missing:
            draw(pipeline, [case], batch=1)[0].save(path)
    return paths, cases


def evaluate_brand(model: Path, count: int, folder: Path, *, batch: int) -> bool:
    """Whether all goals are met."""
    cases = brand_evaluation.branded_cases(held_out_cases(count))
    missing = brand_evaluation.missing(cases, folder)
    pipeline = load(model) if missing else None
    for start in track(range(0, len(missing), batch), description="drawing"):
        some = missing[start : start + batch]
        pictures = draw_prompts(
            pipeline, [one.prompt for one in some], seed=[one.seed for one in some], batch=batch, enhanced=False
        )
        for one, picture in zip(some, pictures, strict=True):
            picture.save(one.path)
    return brand_evaluation.evaluate(cases, folder)


def summary(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """Shares from 0 to 1."""
    count = len(verdicts)
    return {
        "prompts": count,
        "symbol right": round(sum(v.symbol for v in verdicts) / count, 4),
        "colours right": round(sum(v.colours for v in verdicts) / count, 4),
        "symbol's colour right": round(sum(v.match.colour == v.case.colour for v in verdicts) / count, 4),
        "ground's colour right": round(sum(v.match.ground == v.case.ground for v in verdicts) / count, 4),
        "sharpness": round(sum(v.sharpness for v in verdicts) / count, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL_PATH)
    parser.add_argument("--held-out", type=int, default=352, help="number of held-out combinations")
    parser.add_argument("--guidance", type=float, default=GUIDANCE)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--out", type=Path, default=Path("out/evaluation"), help="folder for the contact sheets and verdicts"
    )
    parser.add_argument("--outputs", action="store_true", help="measure what is made of the drawings instead")
    parser.add_argument("--brand", action="store_true", help="measure drawings in colours that were asked for instead")
    parser.add_argument("--same-but", action="store_true", help="measure image to image at each strength instead")
    parser.add_argument("--safety", action="store_true", help="count the false alarms of SAFETY instead")
    parser.add_argument("--count", type=int, help="number of drawings: 100, with --safety 400")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.same_but:
        sys.exit(not same_but.evaluate(held_out_cases(options.count or 100)))
    if options.outputs:
        sys.exit(not evaluate(*drawings(options.model, options.count or 100, options.out / "drawings")))
    if options.brand:
        sys.exit(not evaluate_brand(options.model, options.count or 100, options.out / "brand", batch=options.batch))
    if options.safety:
        paths, cases = drawings(options.model, options.count or 400, options.out / "drawings")
        sys.exit(not evaluate_safety([case.prompt for case in (*cases, *free_cases())], paths))
    pipeline = load(options.model).to(options.device)
    for name, cases in (("held-out", held_out_cases(options.held_out)), ("free-wording", free_cases())):
        start = time.perf_counter()
        images = draw(pipeline, cases, batch=options.batch, guidance_scale=options.guidance)
        seconds = (time.perf_counter() - start) / len(cases)
        verdicts = [judge(image, case) for image, case in zip(images, cases, strict=True)]
        lines = [json.dumps(asdict(v) | {"right": v.symbol and v.colours}) for v in verdicts]
        (options.out / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
        some = min(60, len(cases))
        captioned = [f"{'' if v.symbol and v.colours else '✗ '}{v.case.prompt}" for v in verdicts]
        contact_sheet(images[:some], captioned[:some], columns=10).save(options.out / f"{name}.png", optimize=True)
        wrong = [image for image, v in zip(images, verdicts, strict=True) if not (v.symbol and v.colours)]
        texts = [
            f"{v.match.symbol}, {v.match.colour}: {v.case.prompt}" for v in verdicts if not (v.symbol and v.colours)
        ]
        if wrong:
            contact_sheet(wrong[:60], texts[:60], columns=10).save(options.out / f"{name}-wrong.png", optimize=True)
        print(name, json.dumps(summary(verdicts) | {"seconds per image": round(seconds, 2)}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
