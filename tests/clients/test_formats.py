"""Formats and transparency, as OpenAI's client asks for them."""

import json

import environments
from PIL import Image

SCRIPT = "openai_formats.py"


def test_each_format_is_what_the_answer_says(run, tmp_path, results):
    answers = json.loads(run(environments.python("plain"), environments.HERE / "python" / SCRIPT))
    assert {asked: answer["output_format"] for asked, answer in answers.items()} == {name: name for name in answers}
    for name in ("webp", "jpeg", "png"):
        with Image.open(tmp_path / f"sprite.{name}") as image:
            assert (image.format, image.size) == (name.upper(), (1024, 1024))
            # Opaque where the drawing has no plain ground to take away.
            transparent = answers[name]["background"] == "transparent"
            assert (image.convert("RGBA").getextrema()[3][0] == 0) == transparent
    assert answers["jpeg"]["background"] == "opaque"
    assert b"<svg" in (tmp_path / "sprite.svg").read_bytes()[:500]
    results[SCRIPT] = "1 WebP, JPEG, PNG and SVG of 1024x1024"
