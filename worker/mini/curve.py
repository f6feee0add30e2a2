"""`python -m worker.mini.curve TITLE STAGE.jsonl PICTURE.png`: plots a training stage's loss by step, log scale."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT, MARGIN = 900, 420, 64
SMOOTHED_OVER = 5


def curve(title: str, lines: list[dict[str, float]]) -> Image.Image:
    """Each line has a `step`, the `seconds` so far and a `loss`. The thick curve is the mean of the last few lines."""
    losses = [line["loss"] for line in lines]
    smooth = [_mean(losses[max(0, i - SMOOTHED_OVER + 1) : i + 1]) for i in range(len(losses))]
    low, high = math.floor(math.log10(min(losses))), math.ceil(math.log10(max(losses)))
    last = lines[-1]
    picture = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(14)

    def place(step: float, loss: float) -> tuple[float, float]:
        across = MARGIN + (WIDTH - 2 * MARGIN) * step / last["step"]
        up = (math.log10(loss) - low) / (high - low)
        return across, HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * up

    for power in range(low, high + 1):
        draw.line([place(0, 10**power), place(last["step"], 10**power)], fill=(220, 220, 224))
        draw.text((12, place(0, 10**power)[1] - 8), f"{10.0**power:g}", (70, 70, 76), font)
    for quarter in range(5):
        step = last["step"] * quarter / 4
        draw.text((place(step, 10**low)[0] - 14, HEIGHT - MARGIN + 8), f"{step:.0f}", (70, 70, 76), font)
    steps = [line["step"] for line in lines]
    for values, ink, width in ((losses, (190, 205, 240), 1), (smooth, (33, 100, 230), 3)):
        draw.line([place(step, value) for step, value in zip(steps, values, strict=True)], fill=ink, width=width)
    draw.text((MARGIN, 18), f"{title}, {last['seconds']:.0f} s", "black", ImageFont.load_default(18))
    draw.text((WIDTH / 2 - 20, HEIGHT - 28), "step", (70, 70, 76), font)
    return picture


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def main() -> None:
    title, log, target = sys.argv[1:]
    curve(title, [json.loads(line) for line in Path(log).read_text().splitlines()]).save(target, optimize=True)


if __name__ == "__main__":
    main()
