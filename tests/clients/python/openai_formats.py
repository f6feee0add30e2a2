"""OpenAI's guide to images, "Output format" and "Transparency": each format, with a background where it has one."""

import base64
import json
from pathlib import Path

from openai import OpenAI

client = OpenAI()
ASKED = {
    "webp": {"background": "transparent"},
    "jpeg": {"output_compression": 50},
    "png": {"background": "transparent", "quality": "high"},
    "svg": {},  # this server's own
}

answers = {}
for output_format, rest in ASKED.items():
    img = client.images.generate(
        model="gpt-image-1",
        prompt="Draw a 2D pixel art style sprite sheet of a tabby gray cat",
        size="1024x1024",
        output_format=output_format,
        **rest,
    )
    Path(f"sprite.{output_format}").write_bytes(base64.b64decode(img.data[0].b64_json))
    answers[output_format] = {"output_format": img.output_format, "background": img.background}
print(json.dumps(answers))
