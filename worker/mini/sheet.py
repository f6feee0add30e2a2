"""Draws with the CPU model outside the service. `python -m worker.mini.sheet docs/images/contact-sheet.png` makes the
contact sheet.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from diffusers import FluxPipeline
from PIL import Image, ImageDraw, ImageFont

from worker.prompts import enhance

if TYPE_CHECKING:
    from collections.abc import Sequence

MODEL_PATH = Path(__file__).parent / "model"
STEPS, GUIDANCE = 28, 3.5
SAMPLE_PROMPTS = (
    "a green leaf in a white circle",
    "orange flame in a dark blue circle",
    "a red fox head, geometric",
    "a white mountain in a teal hexagon",
    "gold crown in a dark purple shield",
    "a light blue drop",
    "pink heart in a light pink ring",
    "minimalist logo of a yellow star in a black circle",
    "a brown cup, logo for a coffee shop",
    "white letter M in a red rounded square",
    "a blue to turquoise gradient wave",
    "a purple and yellow butterfly on a white background",
    "a dark green pine tree in a beige circle",
    "dark blue circle with a white rocket in it",
    "black cat on an orange background",
    "a teal gear in a gray ring",
    "light green bird in a dark green rounded square",
    "a red bolt in a yellow hexagon",
    "an orange fish, modern",
    "the letter K in gold on black",
    "logo for a bakery called Plumero, a brown house",
    "white owl in a navy shield",
    "a purple dragon in a light purple circle",
    "something nice for my band",
)


def load(path: Path = MODEL_PATH) -> Any:
    """Loads the pipeline as the service does, in full precision."""
    pipeline = FluxPipeline.from_pretrained(path, dtype=torch.float32, use_safetensors=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def draw_prompts(
    pipeline: Any,
    prompts: Sequence[str],
    *,
    seed: int | Sequence[int] = 0,
    batch: int = 1,
    enhanced: bool = True,
    **options: Any,
) -> list[Image.Image]:
    """Draws one image of 256 pixels for each prompt; the seeds count up from `seed`, unless that has one for each.
    `options` go to the pipeline.
    """
    images = []
    seeds = range(seed, seed + len(prompts)) if isinstance(seed, int) else seed
    with torch.inference_mode():
        for start in range(0, len(prompts), batch):
            some = prompts[start : start + batch]
            images += pipeline(
                prompt=[enhance(prompt) if enhanced else prompt for prompt in some],
                height=256,
                width=256,
                generator=[torch.Generator("cpu").manual_seed(one) for one in seeds[start : start + batch]],
                max_sequence_length=pipeline.tokenizer_2.model_max_length,
                **{"num_inference_steps": STEPS, "guidance_scale": GUIDANCE} | options,
            ).images
    return images


def contact_sheet(images: Sequence[Image.Image], captions: Sequence[str], *, columns: int = 6) -> Image.Image:
    side, gap, text = 200, 8, 26
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * (side + gap) + gap, rows * (side + gap + text) + gap), (245, 245, 247))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for i, (image, caption) in enumerate(zip(images, captions, strict=True)):
        x, y = gap + i % columns * (side + gap), gap + i // columns * (side + gap + text)
        sheet.paste(image.resize((side, side), Image.Resampling.LANCZOS), (x, y))
        for line, part in enumerate(_wrapped(caption)):
            draw.text((x, y + side + 1 + 12 * line), part, (40, 40, 45), font)
    return sheet


def _wrapped(caption: str, width: int = 38) -> list[str]:
    if len(caption) <= width:
        return [caption]
    space = caption.rfind(" ", 0, width)
    return [caption[:space], caption[space + 1 : space + 1 + width]]


def main() -> None:
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(draw_prompts(load(), SAMPLE_PROMPTS), SAMPLE_PROMPTS).save(target, optimize=True)


if __name__ == "__main__":
    main()
