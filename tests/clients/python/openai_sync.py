"""The first example of OpenAI's guide to images."""

import base64

from openai import OpenAI

client = OpenAI()

prompt = """
A children's book drawing of a veterinarian using a stethoscope to
listen to the heartbeat of a baby otter.
"""

result = client.images.generate(model="gpt-image-1", prompt=prompt)

image_base64 = result.data[0].b64_json
image_bytes = base64.b64decode(image_base64)

with open("otter.png", "wb") as f:  # noqa: PTH123 - as the guide has it
    f.write(image_bytes)
