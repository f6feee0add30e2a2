"""The usage example of Haystack's image generator."""

import base64
from pathlib import Path

from haystack.components.generators import OpenAIImageGenerator

image_generator = OpenAIImageGenerator()
response = image_generator.run("Show me a picture of a black cat.")
Path("cat.png").write_bytes(base64.b64decode(response["images"][0]))
