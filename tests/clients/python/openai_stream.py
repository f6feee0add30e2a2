"""examples/image_stream.py of the package."""

import base64
from pathlib import Path

from openai import OpenAI

client = OpenAI()
stream = client.images.generate(
    model="gpt-image-1",
    prompt="A cute baby sea otter",
    n=1,
    size="1024x1024",
    stream=True,
    partial_images=3,
)

for event in stream:
    if event.type == "image_generation.partial_image":
        assert len(base64.b64decode(event.b64_json)) > 100
    elif event.type == "image_generation.completed":
        assert event.usage.total_tokens == 0
        Path("final_image.png").write_bytes(base64.b64decode(event.b64_json))
    else:
        raise AssertionError(event)
