"""The first example of LiteLLM's page on image generation."""

from pathlib import Path
from urllib.request import urlopen

from litellm import image_generation

response = image_generation(prompt="A cute baby sea otter", model="dall-e-3")
with urlopen(response.data[0].url) as answer:
    Path("otter.png").write_bytes(answer.read())
