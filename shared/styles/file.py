"""Reads STYLES_FILE, in which an operator adds styles; docs/styles.md describes it.

[neon]
title = "Neon sign"
description = "Glowing tubes on a dark wall."
template = "{prompt}, as a neon sign, glowing tubes"
picture = "neon.webp"                                # if wanted, beside this file
lora = { path = "neon.safetensors", scale = 0.8 }    # if wanted
"""

from __future__ import annotations

import math
import re
import tomllib
from pathlib import Path, PurePath
from typing import Any

from shared.styles.known import picture_of
from shared.styles.table import PROMPT, Lora, Style

NAME = r"[a-z][a-z0-9_]{0,31}"
MAX_STYLES = 100
MAX_PICTURE_BYTES = 256 * 1024
# Characters of a text; a template's words take the model's tokens from the prompt.
LIMITS = {"title": 40, "description": 200, "template": 300}


def read(path: Path) -> list[Style]:
    """:raises ValueError: the file is none, or something in it is wrong; the message names the style and the field.
    :raises OSError: it cannot be read.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"is no TOML: {error}") from None
    if len(entries) > MAX_STYLES:
        raise ValueError(f"has {len(entries)} styles, the bound is {MAX_STYLES}")
    return [_style(name, entry, path.parent) for name, entry in entries.items()]


def _style(name: str, entry: Any, folder: Path) -> Style:
    if not re.fullmatch(NAME, name):
        raise ValueError(f"[{name}]: a name has 1 to 32 of a-z, 0-9 and _, and begins with a letter")
    if not isinstance(entry, dict):
        raise ValueError(f"{name}: must be a table, [{name}]")  # noqa: TRY004 - what pydantic turns into its own error
    if unknown := entry.keys() - {*LIMITS, "picture", "lora"}:
        raise ValueError(f"[{name}] {min(unknown)}: is no field of a style")
    texts = {field: _text(name, field, entry.get(field)) for field in LIMITS}
    template = texts["template"]
    if template.count(PROMPT) != 1 or re.search(r"[{}]", template.replace(PROMPT, "")):
        raise ValueError(f"[{name}] template: must have {PROMPT} once, and no other brace")
    picture = _picture(name, entry["picture"], folder) if "picture" in entry else None
    lora = _lora(name, entry["lora"]) if "lora" in entry else None
    return Style(name, picture=picture, lora=lora, **texts)


def _text(name: str, field: str, value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value.strip()) <= LIMITS[field] or not value.isprintable():
        raise ValueError(f"[{name}] {field}: must be a line of 1 to {LIMITS[field]} characters")
    return value.strip()


def _picture(name: str, value: Any, folder: Path) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError(f"[{name}] picture: must be the path of a file")
    path = folder / Path(value)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"[{name}] picture: {path} cannot be read: {error.strerror}") from None
    if len(data) > MAX_PICTURE_BYTES:
        raise ValueError(f"[{name}] picture: {path} has {len(data)} bytes, the bound is {MAX_PICTURE_BYTES}")
    try:
        picture_of(data)
    except ValueError as error:
        raise ValueError(f"[{name}] picture: {path} {error}") from None
    return path


def _lora(name: str, value: Any) -> Lora:
    if not isinstance(value, dict) or not value.keys() <= {"path", "scale"} or not isinstance(value.get("path"), str):
        raise ValueError(f'[{name}] lora: must be {{ path = "FILE", scale = NUMBER }}, scale 1 if absent')
    file_name, scale = PurePath(value["path"]).name, value.get("scale", 1.0)
    if not re.fullmatch(r"[\w.+-]{1,200}", file_name):
        raise ValueError(f"[{name}] lora.path: must end in a file's name of letters, digits, . _ + and -")
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not math.isfinite(scale):
        raise ValueError(f"[{name}] lora.scale: must be a number")
    return Lora(file_name, float(scale))
