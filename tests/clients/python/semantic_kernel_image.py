"""Text to image with Semantic Kernel's connector: its older call with a size, and the one that took its place."""

import asyncio
import base64
from pathlib import Path
from urllib.request import urlopen

from semantic_kernel.connectors.ai.open_ai import OpenAITextToImage


async def main():
    dalle3 = OpenAITextToImage(ai_model_id="dall-e-3")
    vase = await dalle3.generate_image(description="a painting of a flower vase", width=1024, height=1024)
    service = OpenAITextToImage(ai_model_id="gpt-image-1")
    (cat,) = await service.generate_images("A cute cat wearing a whimsical striped hat")
    return vase, cat


vase, cat = asyncio.run(main())
with urlopen(vase) as answer:
    Path("vase.png").write_bytes(answer.read())
Path("cat.png").write_bytes(base64.b64decode(cat))
