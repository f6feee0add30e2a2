"""Agno's DALL-E tool and its OpenAI tool, called as its agents call them."""

from pathlib import Path
from urllib.request import urlopen

from agno.tools.dalle import DalleTools
from agno.tools.openai import OpenAITools

prompt = "A photo of a cat sitting on a windowsill"

result = DalleTools().create_image(prompt)
assert result.images, result.content
with urlopen(result.images[0].url) as answer:
    Path("dalle.png").write_bytes(answer.read())

result = OpenAITools().generate_image(prompt)
assert result.images, result.content
Path("gpt-image.png").write_bytes(result.images[0].content)
