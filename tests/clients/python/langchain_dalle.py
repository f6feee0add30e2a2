"""The DALL-E wrapper of LangChain's community package."""

from pathlib import Path
from urllib.request import urlopen

from langchain_community.utilities.dalle_image_generator import DallEAPIWrapper

image_url = DallEAPIWrapper().run("halloween night at a haunted museum")
with urlopen(image_url) as answer:
    Path("museum.png").write_bytes(answer.read())
