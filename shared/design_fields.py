"""The fields of a request that say what the logo looks like: its style, its colours, its text."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from shared.field_errors import invalid
from shared.styles import file
from shared.styles.colours import TOLERANCE, distance

MAX_COLOURS, MAX_TEXT = 8, 60
Layout = Literal["icon", "wordmark", "combination"]
# Joiners without which Persian and several scripts of India are not spelled right.
JOINERS = "\u200c\u200d"


def _colour(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        shown = value if len(value) <= 40 else f"{value[:40]}..."  # noqa: PLR2004 - enough to recognise it
        raise invalid(f"{shown!r} is no colour; write #RRGGBB, such as #0A7B83")
    return value.lower() if isinstance(value, str) else value


def _line(text: str) -> str:
    for place, one in enumerate(text):
        if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp") and one not in JOINERS:
            raise invalid(f"has the control character U+{ord(one):04X} at place {place + 1}; write one line of text")
    if not text.strip():
        raise invalid("must not be blank")
    return text.strip()


# The pattern is for the OpenAPI page; the validator before it has the message.
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$"), BeforeValidator(_colour)]
Line = Annotated[str, Field(min_length=1, max_length=MAX_TEXT), AfterValidator(_line)]


def _apart(colours: list[str]) -> list[str]:
    for number, colour in enumerate(colours):
        for earlier in colours[:number]:
            if colour == earlier:
                raise invalid(f"{colour} is named twice")
            if (found := distance(colour, earlier)) < TOLERANCE:
                raise invalid(f"{earlier} and {colour} are one colour, {found:.1f} of {TOLERANCE:g} apart (CIEDE2000)")
    return colours


class DesignFields(BaseModel):
    style: Annotated[str, Field(pattern=rf"^{file.NAME}$")] | None = Field(
        None, description="A name of `GET /api/styles`.", examples=["emblem"]
    )
    text: Line | None = Field(
        None,
        description=f"What the logo says, a line of at most {MAX_TEXT} characters. The CPU model cannot write.",
        examples=["Kaffee Nord"],
    )
    layout: Layout | None = Field(
        None,
        description="A symbol alone, lettering alone, or both; absent, `combination` with `text` and else `icon`.",
    )
    colors: Annotated[list[Colour], Field(min_length=1, max_length=MAX_COLOURS), AfterValidator(_apart)] | None = Field(
        None,
        description=f"Colours of the symbol, 1 to {MAX_COLOURS}: the plain areas of all images and files get them, "
        f"`colors_share` says how well.",
        examples=[["#0A7B83", "#F2A541"]],
    )
    background_color: Colour | None = Field(
        None, description="Colour of the ground; absent, the ground stays as it is drawn.", examples=["#FFFFFF"]
    )

    @field_validator("layout")
    @classmethod
    def _fits_the_text(cls, layout: str | None, info: ValidationInfo) -> str | None:
        # A text that is wrong itself is not there.
        if "text" in info.data:
            if layout == "icon" and info.data["text"] is not None:
                raise invalid("icon shows no text; leave text out, or say wordmark or combination")
            if layout in ("wordmark", "combination") and info.data["text"] is None:
                raise invalid(f"{layout} needs text")
        return layout

    @field_validator("background_color")
    @classmethod
    def _differs(cls, background: str | None, info: ValidationInfo) -> str | None:
        for colour in info.data.get("colors") or ():
            if background is not None and distance(background, colour) < TOLERANCE:
                raise invalid(f"{background} is among colors; what has the colour of its ground is not seen")
        return background

    @model_validator(mode="after")
    def _has_a_ground(self) -> Self:
        if self.background_color is not None and getattr(self, "transparent", False):
            raise invalid("background_color: not with transparent, which takes the ground away")
        return self

    @property
    def placed(self) -> str:
        """The layout, where there is a text to place."""
        return (self.layout or "combination") if self.text else ""
