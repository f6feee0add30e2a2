"""The styles that a request may name: what each adds to a prompt. Operators add more in a file (shared/styles/file.py).

A template says what the drawing becomes, in words that text-to-image models know; the prompt stands where `{prompt}`
is, with its colours and its text. None names a colour: those are the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PICTURES = Path(__file__).parent / "pictures"
PROMPT = "{prompt}"


@dataclass(frozen=True, slots=True)
class Lora:
    """An adapter that a style is drawn with. Workers have it by LORA_PATHS, under the same file name and scale."""

    file_name: str
    scale: float

    def __str__(self) -> str:
        return f"{self.file_name}:{self.scale:g}"


@dataclass(frozen=True, slots=True)
class Style:
    name: str  # what a request says
    title: str
    description: str  # for people who choose one
    template: str  # has PROMPT once
    example: str = ""  # the prompt of its picture
    picture: Path | None = None
    lora: Lora | None = None


def _built_in(name: str, title: str, description: str, template: str, example: str) -> Style:
    return Style(name, title, description, template, example, PICTURES / f"{name}.webp")


BUILT_IN: tuple[Style, ...] = (
    _built_in(
        "minimal",
        "Minimal",
        "As few shapes as will do, with much empty space.",
        "{prompt}, minimalist, simple shapes, clean lines, few details",
        "a black leaf on white",
    ),
    _built_in(
        "line_art",
        "Line art",
        "Outlines of one width, no fills.",
        "{prompt}, line art, thin outlines, no fills",
        "a dark blue star in a dark blue ring",
    ),
    _built_in(
        "emblem",
        "Emblem",
        "A badge that encloses the symbol, as clubs and breweries have it.",
        "{prompt}, emblem, badge with a border",
        "a beige crown in a dark green shield",
    ),
    _built_in(
        "mascot",
        "Mascot",
        "A friendly character with bold outlines.",
        "{prompt}, friendly mascot, bold outlines",
        "a brown bear",
    ),
    _built_in(
        "monogram",
        "Monogram",
        "Letters that become one sign.",
        "{prompt}, elegant monogram, joined letters",
        "white letter U in a red rounded square",
    ),
    _built_in(
        "gradient",
        "Gradient",
        "Smooth transitions between colours, as app icons have them.",
        "{prompt}, modern gradient logo, smooth colour transitions",
        "a purple to pink gradient flame",
    ),
    _built_in(
        "luxury",
        "Luxury",
        "Fine and restrained, for jewellery, hotels and fashion.",
        "{prompt}, luxury logo, elegant, refined, fine details, restrained",
        "a gold diamond on black",
    ),
    _built_in(
        "three_d",
        "3D",
        "Volume, soft light and a soft shadow.",
        "{prompt}, 3d render of a logo, rounded volumes, soft studio light, subtle shadow",
        "a light blue to dark blue gradient drop in a white circle",
    ),
    _built_in(
        "geometric",
        "Geometric",
        "Built of circles, triangles and straight edges.",
        "{prompt}, geometric logo, built of circles, triangles and straight edges, symmetric",
        "a teal mountain in a light gray hexagon",
    ),
    _built_in(
        "vintage",
        "Vintage",
        "A stamp of the old days, a little worn.",
        "{prompt}, vintage logo, retro stamp, engraved, slightly worn print",
        "a brown cup in a beige circle",
    ),
    _built_in(
        "hand_drawn",
        "Hand-drawn",
        "Brush strokes of an uneven hand.",
        "{prompt}, hand-drawn logo, loose brush strokes, uneven lines",
        "a dark gray bird on a beige background",
    ),
    _built_in(
        "negative_space",
        "Negative space",
        "The ground between the shapes shows the symbol.",
        "{prompt}, negative space logo, the symbol is cut out of a solid shape",
        "a white moon in a black circle",
    ),
)
